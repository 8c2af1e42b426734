# SPDX-License-Identifier: Apache-2.0
"""Telling of a recorder over HTTP, from its beginning to its end."""

import socket
from collections.abc import Callable, Iterator
from pathlib import Path

from prometheus_client.core import GaugeMetricFamily, Metric

from snoop_capture.endpoint import Endpoint, bind
from snoop_capture.health import Check, Health
from snoop_capture.metrics import Metrics
from snoop_capture.observer import State
from snoop_capture.quantities import Address


class Telemetry(Metrics):
    """Counts what a recorder does and tells of it.

    The port is taken at once; threads are started, and answers given, when recording has begun,
    for until then the process has privileges that a thread would keep.

    Args:
        address: where to listen.
        capture: the capture directory.
        flush: seconds after which events shall be on disk.

    Raises:
        CaptureError: nothing can listen there.
    """

    def __init__(self, address: Address, capture: Path, flush: float) -> None:
        super().__init__(capture)
        self._listening: socket.socket = bind(address)
        self._place = capture
        self._flush_interval = flush
        self._health: Health | None = None
        self._endpoint: Endpoint | None = None

    def begun(self, state: Callable[[], State]) -> None:
        """Begin to answer."""
        super().begun(state)
        self._health = Health(self._place, self._flush_interval, state)
        self._endpoint = Endpoint(self._listening, self)

    def ended(self) -> None:
        """Answer no more."""
        self._health = None
        if self._endpoint:
            self._endpoint.close()

    def families(self) -> Iterator[Metric]:
        """What is counted and measured, and what the health checks say."""
        yield from super().families()
        family = GaugeMetricFamily(
            "snoop_healthy", "Whether a check of /healthz is passed.", labels=["check"]
        )
        for name, check in self.checks().items():
            family.add_metric([name], check.ok)
        yield family

    def metrics(self) -> bytes:
        """The page ``/metrics``."""
        return self.page()

    def checks(self) -> dict[str, Check]:
        """What ``/healthz`` and ``/readyz`` look at."""
        return self._health.checks() if self._health else {}
