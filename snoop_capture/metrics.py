# SPDX-License-Identifier: Apache-2.0
"""What a recorder counts and measures of itself, for Prometheus.

``snoop_events_received_total`` and ``snoop_events_dropped_total`` are called as in the Go program
imjasonh/snoop and mean the same.
"""

import os
import platform
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from snoop_capture.backlog import NOT_WRITTEN
from snoop_capture.layout import LOSS_CAUSES
from snoop_capture.observer import Observer, State
from snoop_capture.program import NOT_RUN
from snoop_capture.sealing import REMOVED

MOST_CONTAINERS: Final = 50
"""More than these are counted together, as OTHER."""
OTHER: Final = "other"

_CAUSES: Final = (*LOSS_CAUSES, NOT_RUN, NOT_WRITTEN, REMOVED)
_SECONDS: Final = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
_FRESH: Final = 1.0  # seconds in which a page is not made anew, whoever asks


@dataclass(frozen=True, slots=True)
class _Label:
    """Whose events are counted together."""

    container: str
    pod_uid: str


_REST: Final = _Label(OTHER, "")


class Metrics(Observer):
    """Counts what a recorder does.

    Args:
        capture: the capture directory, for the room on its file system.
    """

    def __init__(self, capture: Path) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._capture = capture
        self._registry = CollectorRegistry()
        # Read now: later the recorder may not be allowed to.
        self._build = {"version": version("snoop-toolkit"), "kernel": platform.release()}
        self._state: Callable[[], State] | None = None
        self._events = _ContainerEvents()
        self._page = (-_FRESH, b"")
        self._flush = self._histogram("snoop_flush_seconds", "Time that one flush took.")
        self._seal = self._histogram("snoop_seal_seconds", "Time that sealing a segment took.")
        self._written = self._counter("snoop_written_bytes", "Bytes written to open segments.")
        self._sealed = self._counter("snoop_segments_sealed", "Segments sealed into Parquet.")
        self._sealed_bytes = self._counter("snoop_sealed_bytes", "Bytes of sealed segments.")
        self._removed = self._counter("snoop_segments_removed", "Segments removed by retention.")
        self._removed_bytes = self._counter("snoop_removed_bytes", "Bytes removed by retention.")
        self._errors = Counter(
            "snoop_errors",
            "What could not be written, by the error's name.",
            ["kind"],
            registry=self._registry,
        )
        ProcessCollector(registry=self._registry)
        self._registry.register(_Collector(self.families))

    def begun(self, state: Callable[[], State]) -> None:
        """``state`` tells from now on how the recorder is."""
        self._state = state

    def named(self, containers: Sequence[Mapping[str, Any]]) -> None:
        """Entries of ``session.json``."""
        self._events.name(containers)

    def written(self, events: pa.RecordBatch) -> None:
        """Count events by container and system call."""
        self._events.count(events)

    def flushed(self, size: int, seconds: float) -> None:
        """Count bytes, and the time that it took."""
        self._written.inc(size)
        self._flush.observe(seconds)

    def sealed(self, size: int, seconds: float) -> None:
        """Count a segment, and the time that it took."""
        self._sealed.inc()
        self._sealed_bytes.inc(size)
        self._seal.observe(seconds)

    def removed(self, segments: int, size: int) -> None:
        """Count what is gone."""
        self._removed.inc(segments)
        self._removed_bytes.inc(size)

    def failed(self, kind: str) -> None:
        """Count an error."""
        self._errors.labels(kind).inc()

    def page(self) -> bytes:
        """All of it in Prometheus' text format; the same for a second."""
        made, page = self._page
        if time.monotonic() - made >= _FRESH:
            page = generate_latest(self._registry)
            self._page = (time.monotonic(), page)
        return page

    def _histogram(self, name: str, help: str) -> Histogram:
        return Histogram(name, help, buckets=_SECONDS, registry=self._registry)

    def _counter(self, name: str, help: str) -> Counter:
        return Counter(name, help, registry=self._registry)

    def families(self) -> Iterator[Metric]:
        """What is made when it is asked for."""
        yield InfoMetricFamily("snoop_build", "What records here.", self._build)
        yield from self._events.families()
        free = os.statvfs(self._capture)
        yield _gauge(
            "snoop_disk_free_bytes",
            "Room on the capture's file system.",
            free.f_bavail * free.f_frsize,
        )
        if self._state is not None:
            yield from _of_state(self._state())


class _Collector(Collector):
    """Brings metrics that are made when they are asked for."""

    def __init__(self, families: Callable[[], Iterator[Metric]]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        """The metrics as they are now."""
        return self._families()


class _ContainerEvents:
    """Events by container and system call; a bounded number of containers has a name of its own."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._labels: dict[int, _Label] = {}
        self._counts: dict[_Label, dict[str, int]] = {}

    def name(self, containers: Sequence[Mapping[str, Any]]) -> None:
        with self._lock:
            for entry in containers:
                self._label(int(entry["cgroup_id"]), _label_of(entry))

    def count(self, events: pa.RecordBatch) -> None:
        cgroups = events.column("cgroup_id").dictionary_encode()
        syscalls = events.column("syscall")
        names = syscalls.dictionary.to_pylist()
        codes = _indices(cgroups) * len(names) + _indices(syscalls)
        table = np.bincount(codes, minlength=len(cgroups.dictionary) * len(names))
        ids = cgroups.dictionary.to_pylist()
        with self._lock:
            for cgroup, row in zip(ids, table.reshape(len(ids), len(names)), strict=True):
                counts = self._counts[self._labels.get(cgroup) or self._unnamed(cgroup)]
                for at in np.flatnonzero(row).tolist():
                    counts[names[at]] = counts.get(names[at], 0) + int(row[at])

    def families(self) -> Iterator[Metric]:
        family = CounterMetricFamily(
            "snoop_container_events",
            f"Events in the capture; containers beyond {MOST_CONTAINERS} count as {OTHER}.",
            labels=["container", "pod_uid", "syscall"],
        )
        with self._lock:
            for label, counts in self._counts.items():
                for syscall, count in counts.items():
                    family.add_metric([label.container, label.pod_uid, syscall], count)
        yield family

    def _unnamed(self, cgroup: int) -> _Label:
        """A container that was not looked at yet goes by its number until it was."""
        return self._label(cgroup, _Label(f"cgroup-{cgroup}", ""))

    def _label(self, cgroup: int, label: _Label) -> _Label:
        """Count a cgroup's events under a label; what was counted under another one moves."""
        before = self._labels.get(cgroup)
        if before and before in (label, _REST):
            return before
        earlier = self._counts.pop(before, {}) if before and self._is_only(cgroup, before) else {}
        if label not in self._counts and len(self._counts.keys() - {_REST}) >= MOST_CONTAINERS:
            label = _REST
        counts = self._counts.setdefault(label, {})
        for syscall, count in earlier.items():
            counts[syscall] = counts.get(syscall, 0) + count
        self._labels[cgroup] = label
        return label

    def _is_only(self, cgroup: int, label: _Label) -> bool:
        return all(at == cgroup for at, other in self._labels.items() if other == label)


def _label_of(entry: Mapping[str, Any]) -> _Label:
    """A container's name, also for the cgroups in it; another cgroup's own."""
    name = str(entry["name"])
    if entry.get("container_id"):
        name = name.partition("/")[0]
    return _Label(name, str(entry.get("pod_uid") or ""))


def _indices(column: pa.DictionaryArray) -> NDArray[np.int64]:
    indices: NDArray[np.int64] = column.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    return indices


def _gauge(name: str, help: str, value: float) -> Metric:
    return GaugeMetricFamily(name, help, value)


def _by_cause(name: str, help: str, counts: Mapping[str, int]) -> Metric:
    family = CounterMetricFamily(name, help, labels=["cause"])
    for cause, count in counts.items():
        family.add_metric([cause], count)
    return family


def _of_state(state: State) -> Iterator[Metric]:
    """What is read off the recorder itself."""
    yield CounterMetricFamily("snoop_events_received", "Events in the capture.", value=state.events)
    losses = dict.fromkeys(_CAUSES, 0) | state.losses  # a counter that begins above 0 hides that
    yield _by_cause("snoop_events_dropped", "Events that were lost, by cause.", losses)
    yield _by_cause("snoop_defects", "Events that lack something, by cause.", state.defects)
    yield CounterMetricFamily(
        "snoop_moved_out",
        "Processes that went on in cgroups that are not recorded.",
        value=state.moved_out,
    )
    yield _gauge("snoop_attached", "Whether the BPF program is attached.", state.attached)
    yield _gauge(
        "snoop_ring_fill_ratio", "Share of the ring that is not read yet.", state.ring_fill
    )
    yield _gauge("snoop_queue_events", "Events that wait to be written.", state.queued_events)
    yield _gauge("snoop_queue_bytes", "Memory of events that wait.", state.queued_bytes)
    yield _gauge("snoop_segment", "Number of the open segment.", state.segment)
    yield _gauge("snoop_segments_unsealed", "Segments that wait to be sealed.", state.unsealed)
    if state.last_event is not None:
        yield _gauge(
            "snoop_last_event_timestamp_seconds", "Time of the newest event.", state.last_event
        )
    yield _gauge(
        "snoop_last_flush_timestamp_seconds",
        "When all events were on disk for the last time.",
        time.time() - (time.monotonic() - state.last_flush),
    )
