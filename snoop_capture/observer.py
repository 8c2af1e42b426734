# SPDX-License-Identifier: Apache-2.0
"""What a recorder tells of its work while it is at it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa


class Observer:
    """Is told what the recorder does, from the threads that do it; itself it ignores that."""

    def begun(self, state: "Callable[[], State]") -> None:
        """Recording is under way, without privileges; ``state`` says from any thread how it is."""

    def named(self, containers: Sequence[Mapping[str, Any]]) -> None:
        """Containers are known, or better known; the entries of ``session.json``."""

    def written(self, events: pa.RecordBatch) -> None:
        """Events, of schema ``OPEN_EVENTS``, are in the open segment."""

    def flushed(self, size: int, seconds: float) -> None:
        """The open segment has grown by ``size`` bytes, which took so long."""

    def sealed(self, size: int, seconds: float) -> None:
        """A segment was sealed; ``size`` is that of the Parquet file in bytes."""

    def removed(self, segments: int, size: int) -> None:
        """Retention has removed sealed segments, of ``size`` bytes in all."""

    def failed(self, kind: str) -> None:
        """Something could not be written; ``kind`` is the error's name, as ``ENOSPC``."""

    def ended(self) -> None:
        """Nothing is attached any more; what is left will be written."""


@dataclass(frozen=True, slots=True)
class State:
    """How a recorder is; what is counted is since its start.

    Attributes:
        events: rows in the capture.
        losses: events without a row, by cause.
        defects: rows that lack something, by cause.
        moved_out: how often a process went on in a cgroup that is not recorded.
        attached: the BPF program is on its hooks.
        ring_fill: share of the ring that is not read yet; 0 to 1.
        queued_bytes: memory of events that wait to be written.
        queued_events: how many these are.
        last_event: time of the newest event in the capture, seconds since the epoch; None before
            the first one.
        last_flush: CLOCK_MONOTONIC, seconds, of the last time that all events were on disk.
        failure: why nothing can be written at present; None where it can.
        segment: number of the open segment.
        unsealed: closed segments that still have to be sealed.
    """

    events: int
    losses: dict[str, int]
    defects: dict[str, int]
    moved_out: int
    attached: bool
    ring_fill: float
    queued_bytes: int
    queued_events: int
    last_event: float | None
    last_flush: float
    failure: str | None
    segment: int
    unsealed: int
