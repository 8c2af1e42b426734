# SPDX-License-Identifier: Apache-2.0
"""A recorder that is watched over HTTP while it records, by friends and by others."""

import contextlib
import json
import os
import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.capture.conftest import Build
from tests.capture.recording import QUICK, SNOOP_CAPTURE
from tests.capture.services import Service
from tests.capture.test_endpoint import LOOPBACK, free_port
from tests.capture.test_metrics import Samples, parsed
from tests.capture.test_service import refused
from tests.capture.trees import inside, made

pytestmark = pytest.mark.bpf

ROOT = Path(__file__).parents[2]
RATE = 50_000
SECONDS = 8
DEFAULT_PORT = 7667
LIVENESS = "/healthz?exclude=disk&exclude=losses"  # of deploy/kubernetes


class Watched(Service):
    """A recorder with a port for metrics."""

    def __init__(self, capture: Path, *arguments: str | Path) -> None:
        self.port = free_port()
        super().__init__(capture, *arguments, "--metrics-addr", f"{LOOPBACK}:{self.port}")
        self.get("/readyz")

    def get(self, path: str) -> tuple[int, str]:
        """Status and body; waits where the port is not open yet."""
        deadline = time.monotonic() + 30
        while True:
            try:
                url = f"http://{LOOPBACK}:{self.port}{path}"
                with urllib.request.urlopen(url, timeout=10) as answer:
                    return answer.status, answer.read().decode()
            except urllib.error.HTTPError as error:
                with error:
                    return error.code, error.read().decode()
            except OSError:
                assert time.monotonic() < deadline
                time.sleep(0.02)

    def samples(self) -> Samples:
        return parsed(self.get("/metrics")[1])

    def until(self, fact: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 60
        while not fact():
            assert time.monotonic() < deadline
            time.sleep(0.1)


def test_a_cgroup_and_one_below_it_are_told_apart(tree: Path, capture: Path, build: Build) -> None:
    web = made(tree / "web")
    service = Watched(capture, "cgroup", web)
    for name, count in ((web, "30"), (made(web / "worker"), "20")):
        subprocess.run(inside(name, build("calls"), count, "1", "1", "/in/web"), check=True)
    labels = [f"{name},,faccessat" for name in ("web", "web/worker")]
    keys = [("snoop_container_events_total", label) for label in labels]
    service.until(lambda: sum(service.samples().get(key, 0) for key in keys) == 50)
    service.until(lambda: [service.samples().get(key) for key in keys] == [30, 20])
    service.stop()


def test_what_is_counted_is_what_is_recorded(tree: Path, capture: Path, build: Build) -> None:
    """By a recorder that has given up its privileges and has a seccomp filter."""
    service = Watched(capture, "cgroup", made(tree / "web"), made(tree / "cache"))
    status = Path(f"/proc/{service.process.pid}/status").read_text()
    assert "Seccomp:\t2\n" in status
    assert "CapEff:\t0000000000000000\n" in status
    for name, count in (("web", "300"), ("cache", "200")):
        subprocess.run(inside(tree / name, build("calls"), count, "1", "1", f"/in/{name}"))
    service.until(lambda: service.samples()["snoop_queue_events", ""] == 0)
    time.sleep(2.1)
    samples = service.samples()
    code, body = service.get("/healthz")
    recording = service.stop()
    assert (code, json.loads(body)["reason"]) == (200, None)
    assert samples["snoop_events_received_total", ""] == len(recording.rows)
    names = {c["cgroup_id"]: c["name"] for c in recording.session["containers"]}
    expected: dict[str, int] = {}
    for row in recording.rows:
        key = f"{names[row['cgroup_id']]},,{row['syscall']}"
        expected[key] = expected.get(key, 0) + 1
    counted = {
        labels: value
        for (name, labels), value in samples.items()
        if name == "snoop_container_events_total"
    }
    assert counted == expected
    assert samples["snoop_attached", ""] == 1
    assert samples["snoop_flush_seconds_count", ""] >= 1
    assert samples["snoop_written_bytes_total", ""] > 0
    newest = max(row["ts"] for row in recording.rows).timestamp()
    assert samples["snoop_last_event_timestamp_seconds", ""] == pytest.approx(newest, abs=1e-3)


def test_the_health_check_of_compose(tree: Path, capture: Path) -> None:
    services = yaml.safe_load((ROOT / "deploy/compose.yaml").read_text())["services"]
    kind, *words = services["snoop"]["healthcheck"]["test"]
    assert kind == "CMD"
    service = Watched(capture, "cgroup", made(tree / "web"))
    own = [w.replace("$$", "$").replace(str(DEFAULT_PORT), str(service.port)) for w in words]
    assert subprocess.run(own, check=False).returncode == 0
    service.stop()
    assert subprocess.run(own, check=False, stderr=subprocess.DEVNULL).returncode == 1


@pytest.fixture
def small(capture: Path) -> Iterator[Path]:
    """A capture directory on a file system of its own, of 4 MB."""
    capture.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m,mode=777", "none", capture], check=True)
    yield capture
    subprocess.run(["umount", "-l", capture], check=True)


def test_a_full_disk_is_told_of(tree: Path, small: Path, build: Build) -> None:
    service = Watched(small, "cgroup", made(tree / "web"))
    assert service.get("/healthz")[0] == 200
    filler = small / "filler"
    with contextlib.suppress(OSError), filler.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    subprocess.run(inside(tree / "web", build("calls"), "1000", "1", "1", "/in/web"))
    service.until(lambda: "nothing can be written" in service.get("/healthz")[1])
    code, body = service.get("/healthz")
    assert code == 503
    assert "No space left on device" in json.loads(body)["reason"]
    assert service.get(LIVENESS)[0] == 200
    assert service.get("/readyz")[0] == 200
    samples = service.samples()
    assert samples["snoop_errors_total", "ENOSPC"] >= 1
    assert samples["snoop_queue_events", ""] > 0
    filler.unlink()
    service.until(lambda: service.get("/healthz")[0] == 200)
    recording = service.stop()
    assert len(recording.where(path="/in/web")) == 1000


def hostile(port: int, over: threading.Event) -> None:
    """Slow connections by the hundred, endless headers, garbage, requests without an end."""
    held: list[socket.socket] = []
    kinds = [
        b"GET /metrics HTTP/1.1\r\nX-Slow: ",
        b"GET /metrics HTTP/1.1\r\n" + b"X-Long: header\r\n" * 2000,
        os.urandom(20_000) + b"\r\n\r\n",
        b"GET /metrics HTTP/1.1\r\n\r\n" * 50,
    ]
    turn = 0
    while not over.is_set():
        turn += 1
        with contextlib.suppress(OSError):
            client = socket.create_connection((LOOPBACK, port), timeout=0.5)
            client.setblocking(False)
            held.append(client)
            client.send(kinds[turn % len(kinds)])
        for client in held[-20:]:
            with contextlib.suppress(OSError):
                client.send(b"a")
        if len(held) >= 500:
            held.pop(0).close()
        time.sleep(0.001)
    for client in held:
        client.close()


def test_hostile_clients_cost_no_event(tree: Path, capture: Path, tmp_path: Path) -> None:
    """At 50,000 events a second. 500 connections are kept busy, some 500 a second are new."""
    load = str(tmp_path / "load")
    subprocess.run(["gcc", "-O2", "-pthread", "-o", load, ROOT / "bench/load.c"], check=True)
    service = Watched(capture, "cgroup", made(tree / "web"), "--ring-buffer-size", "16M")
    calls = RATE * SECONDS
    words = [load, "stat", str(calls), "1", "/", str(RATE)]
    issuing = subprocess.Popen(inside(tree / "web", *words), stdout=subprocess.DEVNULL)
    over = threading.Event()
    attacker = threading.Thread(target=hostile, args=(service.port, over))
    attacker.start()
    answered: list[Any] = []
    while issuing.poll() is None:
        answered.append(service.get("/healthz")[0])
        time.sleep(0.2)
    over.set()
    attacker.join()
    recording = service.stop()
    assert recording.session["losses"] == {}
    assert sum(segment["rows"] for segment in recording.session["segments"]) >= calls
    assert len(answered) > SECONDS
    assert set(answered) == {200}


def test_a_port_that_another_has(tree: Path, capture: Path) -> None:
    target = made(tree / "a")
    with socket.create_server((LOOPBACK, 0)) as other:
        address = f"{LOOPBACK}:{other.getsockname()[1]}"
        said = refused("cgroup", target, "-o", capture, "--metrics-addr", address)
    assert said == (
        f"snoop-capture: cannot listen on {address} for metrics: Address already in use; give "
        'another address with --metrics-addr, or "" for none\n'
    )


def test_the_default_port_that_another_has(tree: Path, capture: Path) -> None:
    """It was not asked for: there is a recording without metrics then."""
    with contextlib.ExitStack() as undo:
        with contextlib.suppress(OSError):
            undo.enter_context(socket.create_server((LOOPBACK, DEFAULT_PORT)))
        environment = {name: v for name, v in os.environ.items() if name != "SNOOP_METRICS_ADDR"}
        process = subprocess.Popen(
            [SNOOP_CAPTURE, "cgroup", made(tree / "a"), "-o", capture, *QUICK],
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        while not list(capture.glob("*/session.json")):
            assert process.poll() is None
            time.sleep(0.02)
    process.terminate()
    _, said = process.communicate(timeout=60)
    assert "warning: there are no metrics: cannot listen on 127.0.0.1:7667" in said
    assert "0 events, 0 lost" in said
