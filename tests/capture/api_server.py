# SPDX-License-Identifier: Apache-2.0
"""A real HTTPS server on loopback that speaks the API server's endpoint for one pod."""

import json
import ssl
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from snoop_capture.kubernetes import ApiServer, PodWatch

NAMESPACE, POD = "shop", "web-0"
PATH = f"/api/v1/namespaces/{NAMESPACE}/pods/{POD}"


@dataclass
class Cluster:
    """An API server, and a service account's directory for it."""

    account: Path
    url: str = ""
    pod: dict[str, Any] = field(default_factory=dict)
    """What it tells of the pod."""
    answers: list[tuple[int, bytes]] = field(default_factory=list)
    """What it answers before that, in order."""
    requests: list[tuple[str, str | None]] = field(default_factory=list)
    """Paths and tokens it was asked with."""
    hold: threading.Event = field(default_factory=threading.Event)
    """Set: it answers."""

    def server(self) -> ApiServer:
        return ApiServer(self.url, self.account / "token", self.account / "ca.crt")

    def watch(self) -> PodWatch:
        return PodWatch(self.server(), NAMESPACE, POD, wait=0.05)


def certificate(directory: Path, name: str) -> tuple[Path, Path]:
    """A self-signed certificate for 127.0.0.1, and its key."""
    certificate, key = directory / f"{name}.crt", directory / f"{name}.key"
    command = ["openssl", "req", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt"]
    command += ["ec_paramgen_curve:prime256v1", "-subj", "/CN=kubernetes", "-addext"]
    command += ["subjectAltName=IP:127.0.0.1", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    return certificate, key


@contextmanager
def running(directory: Path) -> Iterator[Cluster]:
    """A server that runs; its service account is in ``directory``."""
    authority, key = certificate(directory, "ca")
    (directory / "token").write_text("first\n")
    cluster = Cluster(directory)
    cluster.hold.set()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            cluster.requests.append((self.path, self.headers["Authorization"]))
            cluster.hold.wait(20)
            whole = json.dumps(cluster.pod).encode() if self.path == PATH else b"{}"
            status, body = cluster.answers.pop(0) if cluster.answers else (200, whole)
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Location", f"{cluster.url}/elsewhere")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority, key)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    cluster.url = f"https://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield cluster
    finally:  # else a failed test would keep the interpreter from ending
        cluster.hold.set()
        server.shutdown()
        thread.join()
        server.server_close()
