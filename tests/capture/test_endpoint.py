# SPDX-License-Identifier: Apache-2.0
"""The HTTP server: what it answers, and what slow and hostile clients can do to it."""

import contextlib
import json
import os
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from snoop_capture.endpoint import bind
from snoop_capture.errors import CaptureError
from snoop_capture.quantities import Address
from snoop_capture.telemetry import Telemetry
from tests.capture.test_metrics import STATE

LOOPBACK = "127.0.0.1"


def free_port() -> int:
    with socket.create_server((LOOPBACK, 0)) as server:
        return int(server.getsockname()[1])


class Served:
    """Telemetry of a recorder that is as ``state`` says."""

    def __init__(self, capture: Path, host: str = LOOPBACK) -> None:
        self.state = replace(STATE, losses={}, last_flush=time.monotonic())
        self.port = free_port()
        self.telemetry = Telemetry(Address(host, self.port), capture, 1.0)
        self.telemetry.begun(lambda: self.state)

    def get(self, path: str, method: str = "GET", host: str = LOOPBACK) -> tuple[int, str]:
        request = urllib.request.Request(f"http://{host}:{self.port}{path}", method=method)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def connect(self) -> socket.socket:
        return socket.create_connection((LOOPBACK, self.port), timeout=10)

    def answer_to(self, data: bytes) -> bytes:
        """All that comes back; nothing where the connection is closed at once."""
        received = b""
        with self.connect() as client, contextlib.suppress(ConnectionError):
            client.sendall(data)
            while part := client.recv(65536):
                received += part
        return received


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    served = Served(tmp_path)
    yield served
    served.telemetry.ended()


def test_metrics(served: Served) -> None:
    status, page = served.get("/metrics")
    assert status == 200
    assert "snoop_events_received_total 100.0\n" in page
    assert 'snoop_healthy{check="disk"} 1.0\n' in page


def test_health(served: Served) -> None:
    status, body = served.get("/healthz")
    said = json.loads(body)
    assert (status, said["healthy"], said["reason"]) == (200, True, None)
    served.state = replace(served.state, failure="No space left on device")
    status, body = served.get("/healthz")
    said = json.loads(body)
    assert (status, said["healthy"]) == (503, False)
    assert said["reason"] == "nothing can be written: No space left on device"
    assert said["checks"]["program"] == {"ok": True, "text": "the BPF program is attached"}
    assert served.get("/healthz?exclude=disk")[0] == 200
    assert served.get("/healthz?exclude=flush&exclude=losses")[0] == 503


def test_readiness(served: Served) -> None:
    assert served.get("/readyz") == (200, '{\n "ready": true,\n "reason": null\n}\n')
    served.state = replace(served.state, failure="No space left on device")
    assert served.get("/readyz")[0] == 200  # what starts now is recorded, in memory for now
    served.state = replace(served.state, attached=False)
    status, body = served.get("/readyz")
    assert (status, json.loads(body)["ready"]) == (503, False)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("HEAD", "/metrics", 200),
        ("HEAD", "/healthz", 200),
        ("POST", "/metrics", 405),
        ("DELETE", "/healthz", 405),
        ("GET", "/", 404),
        ("GET", "/metrics/", 404),
        ("GET", "/../etc/passwd", 404),
        ("GET", "/healthz?exclude=" + "&exclude=".join("x" * 10), 200),
    ],
)
def test_requests(served: Served, method: str, path: str, status: int) -> None:
    found, body = served.get(path, method)
    assert found == status
    assert (body == "") is (method == "HEAD")


def test_nothing_answers_before_and_after(tmp_path: Path) -> None:
    port = free_port()
    telemetry = Telemetry(Address(LOOPBACK, port), tmp_path, 1.0)
    with socket.create_connection((LOOPBACK, port), timeout=0.2) as early:
        early.sendall(b"GET /readyz HTTP/1.0\r\n\r\n")
        with pytest.raises(TimeoutError):
            early.recv(1)
        telemetry.begun(lambda: STATE)
        early.settimeout(10)
        assert early.recv(100).startswith(b"HTTP/1.0 200 OK")
    telemetry.ended()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((LOOPBACK, port), timeout=1)


def test_all_addresses(tmp_path: Path) -> None:
    served = Served(tmp_path, host="")
    assert served.get("/readyz")[0] == 200
    if socket.has_dualstack_ipv6():
        assert served.get("/readyz", host="[::1]")[0] == 200
    served.telemetry.ended()


@pytest.mark.parametrize(
    ("host", "reason"),
    [("192.0.2.1", "Cannot assign requested address"), ("no-such-host.invalid", "")],
)
def test_an_address_that_is_not_ours(host: str, reason: str) -> None:
    with pytest.raises(CaptureError, match=f"cannot listen on {host}:1 for metrics: {reason}"):
        bind(Address(host, 1))


def test_an_address_that_is_in_use(served: Served) -> None:
    with pytest.raises(CaptureError, match="Address already in use; give another address"):
        bind(Address(LOOPBACK, served.port))


HOSTILE: dict[str, tuple[bytes, bytes]] = {
    "garbage": (os.urandom(65536).replace(b"\n", b"") + b"\r\n\r\n", b"4"),
    "not HTTP": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", b"400"),
    "endless line": (b"GET /" + b"a" * 1_000_000, b"4"),
    "endless headers": (b"GET / HTTP/1.1\r\n" + b"X-A: b\r\n" * 100_000, b"4"),
    "body": (b"POST / HTTP/1.1\r\nContent-Length: 99999999\r\n\r\n" + b"x" * 1000, b"413"),
    "lengths": (b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", b"400"),
    "both": (
        b"GET /readyz HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
        b"413",
    ),
    "no path": (b"GET\r\n\r\n", b"400"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_garbage_is_refused_and_the_next_is_answered(served: Served, case: str) -> None:
    data, expected = HOSTILE[case]
    status = served.answer_to(data)[len("HTTP/1.0 ") :][: len(expected)]
    assert status in (expected, b"")  # what was sent too much can have the answer thrown away
    assert served.get("/readyz")[0] == 200


def test_a_connection_ends_however_it_is_kept_busy(served: Served) -> None:
    began = time.monotonic()
    with served.connect() as slow:
        slow.sendall(b"GET /metrics HTTP/1.1\r\n")
        with contextlib.suppress(ConnectionError):
            while time.monotonic() - began < 20:
                slow.sendall(b"X: y\r\n")
                time.sleep(0.1)
                slow.settimeout(0.01)
                with contextlib.suppress(TimeoutError):
                    if not slow.recv(1):
                        break
    assert 4 < time.monotonic() - began < 10


def attack(served: Served, over: threading.Event) -> None:
    """Keep 500 connections open that send a little now and then, and open new ones."""
    held: list[socket.socket] = []
    while not over.is_set():
        with contextlib.suppress(OSError):
            client = socket.create_connection((LOOPBACK, served.port), timeout=1)
            client.sendall(b"GET /metrics HTTP/1.1\r\nX-Slow: ")
            held.append(client)
        if len(held) >= 500:
            held.pop(0).close()
        for client in held[-20:]:
            with contextlib.suppress(OSError):
                client.sendall(b"a")
    for client in held:
        client.close()


def test_slow_clients_do_not_keep_others_out(served: Served) -> None:
    """Nor do they cost many threads or much memory."""
    over = threading.Event()
    attackers = [threading.Thread(target=attack, args=(served, over)) for _ in range(2)]
    for attacker in attackers:
        attacker.start()
    try:
        time.sleep(2)
        took = []
        for _ in range(20):
            began = time.monotonic()
            assert served.get("/healthz")[0] == 200
            took.append(time.monotonic() - began)
        channels = len(served.telemetry._endpoint._server.active_channels)  # type: ignore[union-attr]
    finally:
        over.set()
        for attacker in attackers:
            attacker.join()
    assert sorted(took)[len(took) // 2] < 1.0
    assert channels <= 3 * 32
    names = [thread.name for thread in threading.enumerate()]
    assert len([name for name in names if name.startswith(("http", "waitress"))]) == 2


def test_a_slow_reader(served: Served) -> None:
    """It asks again and again, and reads nothing."""
    clients: list[Any] = []
    for _ in range(50):
        client = served.connect()
        with contextlib.suppress(OSError):
            client.sendall(b"GET /metrics HTTP/1.1\r\n\r\n" * 100)
        clients.append(client)
    assert served.get("/readyz")[0] == 200
    for client in clients:
        client.close()
