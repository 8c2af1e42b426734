# SPDX-License-Identifier: Apache-2.0
"""The recorder: program, ring, events and storage, put together."""

import collections
import concurrent.futures
import functools
import logging
import math
import platform
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

from snoop_capture.events import EventBuilder
from snoop_capture.layout import Layout, layout_for
from snoop_capture.limits import Limits
from snoop_capture.observer import Observer, State
from snoop_capture.opcodes import opcode_table
from snoop_capture.program import NOT_RUN, Program
from snoop_capture.recovery import recover
from snoop_capture.ring import Ring
from snoop_capture.rows import Rows
from snoop_capture.sealing import REMOVED
from snoop_capture.storage import SessionWriter
from snoop_capture.syscalls import syscall_table

# A batch has a fixed cost; at this size it is small against that of its rows.
_BATCH_ROWS: Final = 1 << 15
_MOST_BATCHES: Final = 4  # that may wait to be written
# Part of the flush interval after which events are due: the rest is for writing them.
_PART_OF_FLUSH: Final = 0.75
# Seconds after which a row that a CPU has begun is certainly complete.
_SETTLE: Final = 0.002
_SOON: Final = 0.002  # seconds until a full ring is looked at again
_PATIENCE: Final = 0.05  # seconds that a poll waits for a disk that hangs
_FULL: Final = 0.5  # part of the ring: from there on events wait in memory while the disk hangs
_MOST_PATIENCE: Final = 3600.0
_MARGIN: Final = 1.0  # seconds more than the end of a session has

_log = logging.getLogger(__name__)

_POSSIBLE_CPUS: Final = Path("/sys/devices/system/cpu/possible")


@dataclass(frozen=True, slots=True)
class Totals:
    """What a recording came to.

    ``events`` are those in the capture, without those that somebody has removed.
    """

    events: int
    losses: dict[str, int]
    defects: dict[str, int]
    failure: str | None
    """Why something could not be written to the last."""
    unfinished: str | None
    """Why not all is on disk, sealed, and said in ``session.json``; None if it is."""

    @property
    def lost(self) -> str:
        """How many were lost, and why."""
        causes = ", ".join(f"{count} {cause}" for cause, count in self.losses.items())
        return f"{sum(self.losses.values())} lost" + (f" ({causes})" if causes else "")

    def __str__(self) -> str:
        return f"{self.events} events, {self.lost}"


class _Writing(NamedTuple):
    """Work for the writing thread, how many events it is to write, and their memory."""

    work: concurrent.futures.Future[None]
    events: int
    bytes: int


class Containers(Protocol):
    """What knows the traced cgroups by name."""

    def entries(self, cgroup_ids: set[int]) -> list[dict[str, Any]]:
        """Entries for ``session.json``, among them one for each of the ids."""


class Recorder:
    """Records the traced cgroups into a session directory.

    One thread drives it: wait until ``fileno`` is readable or ``timeout`` has passed, then call
    ``poll``.

    Args:
        program: the attached program.
        session: an empty session directory.
        metadata: what ``session.json`` shall say besides what the recorder knows.
        limits: how much may be where.
        observer: is told what the recorder does.
    """

    def __init__(
        self,
        program: Program,
        session: Path,
        metadata: Mapping[str, Any],
        limits: Limits,
        observer: Observer | None = None,
    ) -> None:
        self.session = session
        self._due_after = int(limits.flush * _PART_OF_FLUSH * 1e9)
        self._program = program
        self._ring = Ring(program)
        table = syscall_table(platform.machine()) | opcode_table()
        self._events = EventBuilder(table, _clock_offset(), program.in_flight)
        self._queue_bytes = limits.queue_bytes
        self._writes: collections.deque[_Writing] = collections.deque()
        self._observer = observer or Observer()
        for warning in program.warnings:
            _log.warning("%s", warning)
        metadata = dict(metadata) | {"preemptible": program.obstacle is not None}
        self._storage = SessionWriter(
            session, metadata, limits, self._observer, self._lost, self._hurries
        )
        self._begin_segment()
        self._writer = concurrent.futures.ThreadPoolExecutor(1, "write")
        self._looked = time.monotonic_ns()
        self._due = self._looked + self._due_after
        self._named: list[dict[str, Any]] = []
        self._moved_out = 0
        self._last: State | None = None
        self._closed = False
        self._storage.do(functools.partial(recover, session.parent))

    def fileno(self) -> int:
        """Readable when a good part of the ring has filled: call ``poll`` then."""
        return self._ring.fileno()

    @property
    def timeout(self) -> float:
        """Seconds after which ``poll`` must be called in any case."""
        due = max(0, self._due - time.monotonic_ns()) / 1e9
        return min(due, _SOON) if self._ring.is_stuck else due

    @property
    def cgroups(self) -> set[int]:
        """Ids of the cgroups that events have come from so far."""
        return self._events.cgroups

    def poll(self) -> None:
        """Take what the ring held at the last call of this, or holds now where that is due.

        Events are handed on to be written when they are enough, or due.
        """
        self._ring.hush()
        self._program.watch_seccomp()
        if not self._await_writes(_MOST_BATCHES - 1, _PATIENCE) and not self._must_make_room():
            return
        until, self._looked = self._looked, time.monotonic_ns()
        due = self._looked >= self._due
        if due:
            until = self._looked
            time.sleep(_SETTLE)
            self._tell_moves()
        rows = self._ring.drain(until)
        if due or rows >= _BATCH_ROWS:
            self._hand_over()

    def name(self, containers: Containers) -> None:
        """Have ``session.json`` name the containers that are known by now, if some are new.

        That they were seen again is no news before the end.
        """
        entries = containers.entries(set())
        named = [{k: v for k, v in entry.items() if k != "last_seen"} for entry in entries]
        if named != self._named:
            self._named = named
            self._observer.named(named)
            self._storage.update(containers=entries)

    def say(self, **metadata: Any) -> None:
        """Set entries of ``session.json``."""
        self._storage.update(**metadata)

    def rotate(self) -> None:
        """Seal the open segment and begin the next one."""
        self._submit(self._storage.rotate)

    def state(self) -> State:
        """How it is; may be asked by any thread."""
        if self._last is not None:
            return self._last
        queued_events, queued_bytes = self._storage.queued
        waiting = tuple(self._writes)
        queued_events += sum(writing.events for writing in waiting)
        queued_bytes += sum(writing.bytes for writing in waiting)
        return State(
            events=self._storage.events,
            losses=self._storage.losses,
            defects=self._storage.defects,
            moved_out=self._moved_out,
            attached=self._program.attached,
            ring_fill=self._ring.fill(),
            queued_bytes=queued_bytes,
            queued_events=queued_events,
            last_event=self._storage.last_event,
            last_flush=self._storage.last_flush,
            failure=self._storage.failure,
            segment=self._storage.segment,
            unsealed=self._storage.unsealed,
        )

    def stop(self, containers: Containers, until: float = math.inf) -> Totals:
        """Detach, take the rest, seal, and write the session's end.

        Args:
            containers: to be named.
            until: CLOCK_MONOTONIC in seconds. What could not be written by then is lost; what
                could not be sealed by then is left to be recovered.
        """
        self._program.detach()
        self._tell_moves()
        until = min(until, time.monotonic() + _MOST_PATIENCE)
        whole = self._await_writes(0, until - time.monotonic())
        if whole:
            self._ring.drain(time.monotonic_ns())
            self._hand_over()
            self._submit(self._write_rest)
            self._submit(functools.partial(self._close, containers, until))
            whole = self._await_writes(0, until - time.monotonic() + _MARGIN)
        self._writer.shutdown(wait=False)
        self._last = last = self.state()
        self._ring.close()
        unfinished = None if whole and self._closed else self._why_unfinished()
        kept = last.events - last.losses.get(REMOVED, 0)
        return Totals(kept, last.losses, last.defects, last.failure, unfinished)

    def _tell_moves(self) -> None:
        """Say it once more where more processes than before go on in other cgroups."""
        moved_out = self._ring.moved_out()
        if moved_out > self._moved_out:
            self._moved_out = moved_out
            _log.warning(
                "moved out of the recorded cgroups, unrecorded from there: %d process%s so far",
                moved_out,
                "es" if moved_out > 1 else "",
            )
            self.say(moved_out=moved_out)

    def _why_unfinished(self) -> str:
        if self._storage.gone:
            return f"it was removed, and cannot be made again: {self._storage.trouble}"
        why = self._storage.trouble or "it could not be sealed in time"
        return f"{why}; what was written before is readable"

    def _must_make_room(self) -> bool:
        """Must events come out of the ring although the disk hangs, and may they wait in memory?"""
        waiting = sum(writing.bytes for writing in self._writes)
        return self._ring.fill() >= _FULL and waiting < self._queue_bytes

    def _lost(self) -> dict[str, int]:
        return self._ring.lost() | {NOT_RUN: self._program.not_run()}

    def _hurries(self) -> bool:
        return len(self._writes) >= _MOST_BATCHES - 1

    def _hand_over(self) -> None:
        """Let the writing thread go on with what was taken, so that the ring need not wait."""
        self._due = self._looked + self._due_after
        rows = self._ring.collect()
        size = (len(rows), rows.nbytes) if rows else (0, 0)
        self._submit(functools.partial(self._write, rows), *size)

    def _submit(self, step: Callable[[], None], events: int = 0, size: int = 0) -> None:
        self._writes.append(_Writing(self._writer.submit(step), events, size))

    def _await_writes(self, most: int, seconds: float) -> bool:
        """Wait until at most so many batches are still to be written: that bounds the memory."""
        deadline = time.monotonic() + seconds
        while len(self._writes) > most or (self._writes and self._writes[0].work.done()):
            try:
                self._writes[0].work.result(max(0.0, deadline - time.monotonic()))
            except concurrent.futures.TimeoutError:
                return False
            self._writes.popleft()
        return True

    # What follows runs in the writing thread.

    def _write(self, rows: Rows | None) -> None:
        if rows is None:
            self._storage.tick()
        else:
            self._storage.write(self._events.batch(rows))
        if self._storage.segment != self._segment:
            self._begin_segment()

    def _begin_segment(self) -> None:
        """Have a segment stand alone: it names every file anew, and has its own clock offset."""
        self._segment = self._storage.segment
        self._program.begin_segment(self._segment)
        self._events.clock_offset = _clock_offset()
        self._storage.extra = {"clock_offset_ns": self._events.clock_offset}

    def _write_rest(self) -> None:
        rest = self._events.rest()
        if rest is not None:
            self._storage.write(rest)

    def _close(self, containers: Containers, until: float) -> None:
        self._closed = self._storage.close(until, functools.partial(self._end, containers))

    def _end(self, containers: Containers) -> dict[str, Any]:
        rings = self._ring.uring_rings()
        return {
            "containers": self._entries(containers),
            "io_uring": {"recorded": self._program.records_uring, "rings": rings},
        }

    def _entries(self, containers: Containers) -> list[dict[str, Any]]:
        """The containers for ``session.json``, each with what was lost of it."""
        lost = self._program.losses()
        for cgroup, by_cause in self._storage.lost_by_cgroup.items():
            lost[cgroup] = lost.get(cgroup, {}) | by_cause
        entries = containers.entries(self.cgroups | lost.keys())
        return [e | {"losses": lost.get(e["cgroup_id"], {})} for e in entries]


def layout_here(ring_bytes: int) -> Layout:
    """The layout of a ring of ``ring_bytes`` in all on this machine.

    Raises:
        CaptureError: the size is not possible.
    """
    return layout_for(ring_bytes, _possible_cpus())


def _clock_offset() -> int:
    """Nanoseconds from CLOCK_MONOTONIC to CLOCK_REALTIME; the closest of a few readings."""
    readings = []
    for _ in range(5):
        before = time.monotonic_ns()
        real = time.time_ns()
        after = time.monotonic_ns()
        readings.append((after - before, real - (before + after) // 2))
    return min(readings)[1]


def _possible_cpus() -> int:
    """The number of CPUs the kernel may ever run, Documentation/admin-guide/cputopology.rst."""
    last = _POSSIBLE_CPUS.read_text().strip().rpartition(",")[2]
    return int(last.rpartition("-")[2]) + 1
