# SPDX-License-Identifier: Apache-2.0
"""The HTTP server for ``/metrics``, ``/healthz`` and ``/readyz``.

Whoever can reach the port may be slow or hostile. So waitress answers, from one thread that waits
for all connections and one that makes the pages: there are few connections at a time, each ends
after some seconds whatever it does, a new one takes the place of the oldest, and requests are
small. What a page needs is made once a second at most.
"""

import json
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Protocol
from urllib.parse import parse_qs
from wsgiref.types import StartResponse, WSGIEnvironment

from waitress.adjustments import Adjustments
from waitress.server import TcpWSGIServer

from snoop_capture.errors import CaptureError
from snoop_capture.health import Check, summary
from snoop_capture.quantities import Address

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"

_CONNECTIONS: Final = 32
_LIFETIME: Final = 5.0  # seconds of a connection
_REST: Final = 0.005  # seconds between rounds: each has a fixed cost
_AT_ONCE: Final = 16  # new connections that a round takes
_LARGEST_HEADER: Final = 8 << 10
_LARGEST_PAGE: Final = 16 << 20  # what is larger would go through a file
_OK: Final = "200 OK"
_UNAVAILABLE: Final = "503 Service Unavailable"

Page = tuple[str, str, bytes]
"""Status, content type, body."""


class Pages(Protocol):
    """What is told of a recorder."""

    def metrics(self) -> bytes:
        """In Prometheus' text format."""

    def checks(self) -> dict[str, Check]:
        """What was looked at; empty before recording has begun, and once it ends."""


def bind(address: Address) -> socket.socket:
    """Listen on an address; nothing is answered yet.

    Raises:
        CaptureError: that is not possible.
    """
    try:
        if not address.host:
            both = socket.has_dualstack_ipv6()
            family = socket.AF_INET6 if both else socket.AF_INET
            return socket.create_server(("", address.port), family=family, dualstack_ipv6=both)
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
        return socket.create_server(found[0][4][:2], family=found[0][0])
    except (OSError, OverflowError) as error:
        reason = str(getattr(error, "strerror", error)).partition(" (while")[0]
        raise CaptureError(
            f"cannot listen on {address} for metrics: {reason}; give another address with "
            '--metrics-addr, or "" for none'
        ) from error


class Endpoint:
    """Serves pages on a bound socket, in threads of its own, until ``close``."""

    def __init__(self, listening: socket.socket, pages: Pages) -> None:
        logging.getLogger("waitress").setLevel(logging.CRITICAL)  # of clients' mistakes
        self._server = _Server(listening, _application(pages))
        self._thread = threading.Thread(target=self._server.run, name="http", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Accept nothing more; who was not answered is not."""
        self._server.trigger.pull_trigger(self._server.end)
        self._thread.join(1.0)


class _Server(TcpWSGIServer):  # type: ignore[misc]
    """waitress' server, where connections have a limited life."""

    def __init__(self, listening: socket.socket, application: Callable[..., Any]) -> None:
        self._ended = False
        super().__init__(
            application,
            _sock=listening,
            bind_socket=False,
            sockinfo=(listening.family, listening.type, 0, listening.getsockname()),
            adj=Adjustments(
                threads=1,
                connection_limit=3 * _CONNECTIONS,
                cleanup_interval=0,
                max_request_header_size=_LARGEST_HEADER,
                max_request_body_size=1,
                recv_bytes=_LARGEST_HEADER,
                outbuf_overflow=_LARGEST_PAGE,
                asyncore_use_poll=True,
                log_socket_errors=False,
                ident=None,
            ),
        )

    def maintenance(self, now: float) -> None:
        """Close connections whose time is over, and the oldest where there are too many.

        Those that have asked do not make room for those that have not.
        """
        channels = sorted(self.active_channels.values(), key=lambda channel: channel.creation_time)
        asked = [channel for channel in channels if channel.requests or channel.total_outbufs_len]
        silent = [channel for channel in channels if channel not in asked]
        for kind in (asked, silent):
            for at, channel in enumerate(kind):
                is_old = now - channel.creation_time > _LIFETIME
                channel.will_close |= is_old or at < len(kind) - _CONNECTIONS

    def handle_accept(self) -> None:
        """Take what has come since the last round."""
        for _ in range(_AT_ONCE):
            super().handle_accept()

    def end(self) -> None:
        """To be called in the thread that runs it: have that stop."""
        self._ended = True

    def run(self) -> None:
        """Serve until ``end`` is called."""
        while not self._ended:
            self.asyncore.loop(timeout=1.0, use_poll=True, map=self._map, count=1)
            time.sleep(_REST)
        self.asyncore.dispatcher.close(self)
        for channel in list(self.active_channels.values()):
            channel.handle_close()
        self.task_dispatcher.shutdown(timeout=1)
        if not self.task_dispatcher.threads:  # who still answers a request writes to its pipe
            self.trigger.close()


def _application(pages: Pages) -> Callable[[WSGIEnvironment, StartResponse], Iterable[bytes]]:
    routes: Mapping[str, Callable[[dict[str, list[str]]], Page]] = {
        "/metrics": lambda _: (_OK, CONTENT_TYPE, pages.metrics()),
        "/healthz": lambda query: _health(pages.checks(), query.get("exclude", [])),
        "/readyz": lambda _: _readiness(pages.checks()),
    }

    def answer(environ: WSGIEnvironment, start: StartResponse) -> Iterable[bytes]:
        route = routes.get(environ["PATH_INFO"])
        if environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
            status, kind, body = _text("405 Method Not Allowed", "GET and HEAD alone")
        elif route is None:
            status, kind, body = _text("404 Not Found", "there is " + ", ".join(routes))
        else:
            status, kind, body = route(parse_qs(environ["QUERY_STRING"], max_num_fields=100))
        length = ("Content-Length", str(len(body)))
        start(status, [("Content-Type", kind), length, ("Cache-Control", "no-store")])
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]

    return answer


def _text(status: str, text: str) -> Page:
    return status, "text/plain; charset=utf-8", f"{text}\n".encode()


def _json(good: bool, content: dict[str, Any]) -> Page:
    body = json.dumps(content, indent=1).encode() + b"\n"
    return _OK if good else _UNAVAILABLE, "application/json", body


def _health(checks: dict[str, Check], excluded: list[str]) -> Page:
    """``/healthz``; as with Kubernetes' own, ``exclude=NAME`` leaves a check out of the answer."""
    looked_at = {name: check for name, check in checks.items() if name not in excluded}
    if not checks:
        looked_at = {"recording": Check(False, "no recording is under way")}
    said = summary(looked_at)
    return _json(said["healthy"], said)


def _readiness(checks: dict[str, Check]) -> Page:
    """``/readyz``: what starts now is recorded from its first file."""
    program = checks.get("program", Check(False, "no recording is under way"))
    return _json(program.ok, {"ready": program.ok, "reason": None if program.ok else program.text})
