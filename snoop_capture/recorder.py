# SPDX-License-Identifier: Apache-2.0
"""The recorder: program, ring, events and storage, put together."""

import collections
import concurrent.futures
import platform
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from snoop_capture.events import EventBuilder
from snoop_capture.layout import Layout, layout_for
from snoop_capture.memory import share_freed
from snoop_capture.opcodes import opcode_table
from snoop_capture.program import Program
from snoop_capture.ring import Ring, Rows
from snoop_capture.storage import SessionWriter
from snoop_capture.syscalls import syscall_table

# A batch has a fixed cost; at this size it is small against that of its rows.
_BATCH_ROWS: Final = 1 << 15
_MOST_BATCHES: Final = 4  # that may wait to be written

_POSSIBLE_CPUS: Final = Path("/sys/devices/system/cpu/possible")


@dataclass(frozen=True, slots=True)
class Totals:
    """What a recording came to."""

    events: int
    losses: dict[str, int]
    defects: dict[str, int]

    @property
    def lost(self) -> str:
        """How many were lost, and why."""
        causes = ", ".join(f"{count} {cause}" for cause, count in self.losses.items())
        return f"{sum(self.losses.values())} lost" + (f" ({causes})" if causes else "")

    def __str__(self) -> str:
        return f"{self.events} events, {self.lost}"


class Containers(Protocol):
    """What knows the traced cgroups by name."""

    def entries(self, cgroup_ids: set[int]) -> list[dict[str, Any]]:
        """Entries for ``session.json``, among them one for each of the ids."""


class Recorder:
    """Records the traced cgroups into a session directory.

    One thread drives it: wait until ``fileno`` is readable or half a flush interval has passed,
    then call ``poll``.

    Args:
        program: the attached program.
        session: an empty session directory.
        metadata: what ``session.json`` shall say besides what the recorder knows.
        flush: seconds after which events are written at the latest.
    """

    def __init__(
        self, program: Program, session: Path, metadata: Mapping[str, Any], flush: float
    ) -> None:
        share_freed()
        self.session = session
        self._flush = int(flush * 1e9)
        self._program = program
        self._ring = Ring(program)
        table = syscall_table(platform.machine()) | opcode_table()
        self._events = EventBuilder(table, _clock_offset())
        self._storage = SessionWriter(session, metadata)
        self._program.begin_segment(self._storage.segment)
        self._writer = concurrent.futures.ThreadPoolExecutor(1, "write")
        self._writes: collections.deque[concurrent.futures.Future[None]] = collections.deque()
        self._looked = self._due = time.monotonic_ns()
        self._named: list[dict[str, Any]] = []
        self._storage.update()

    def fileno(self) -> int:
        """Readable when a good part of the ring has filled: call ``poll`` then."""
        return self._ring.fileno()

    def poll(self) -> None:
        """Take what the ring held at the last call of this; write it when it is enough or due.

        Raises:
            OSError: what was taken before could not be written.
        """
        self._ring.hush()
        self._program.watch_seccomp()
        self._await_writes(_MOST_BATCHES)
        until, self._looked = self._looked, time.monotonic_ns()
        rows = self._ring.drain(until)
        if rows >= _BATCH_ROWS or (rows and self._looked >= self._due):
            self._hand_over()

    def name(self, containers: Containers) -> None:
        """Have ``session.json`` name the containers that are known by now, if some are new.

        That they were seen again is no news before the end.
        """
        entries = containers.entries(set())
        named = [{k: v for k, v in entry.items() if k != "last_seen"} for entry in entries]
        if named != self._named:
            self._named = named
            self._writes.append(self._writer.submit(self._storage.update, containers=entries))

    @property
    def cgroups(self) -> set[int]:
        """Ids of the cgroups that events have come from so far."""
        return self._events.cgroups

    def stop(self, containers: Containers) -> Totals:
        """Detach, take the rest, seal, and write the session's end."""
        self._program.detach()
        self._ring.drain(time.monotonic_ns())
        self._hand_over()
        self._await_writes(0)
        self._writer.shutdown()
        rest = self._events.rest()
        if rest is not None:
            self._storage.write(rest)
        totals = Totals(self._events.events, self._lost(), self._events.defects)
        by_cgroup = self._program.losses()
        entries = containers.entries(self.cgroups | by_cgroup.keys())
        self._storage.close(
            containers=[e | {"losses": by_cgroup.get(e["cgroup_id"], {})} for e in entries],
            losses=totals.losses,
            defects=totals.defects,
            io_uring={
                "recorded": self._program.records_uring,
                "rings": self._ring.uring_rings(),
            },
        )
        self._ring.close()
        return totals

    def _hand_over(self) -> None:
        """Let the writing thread go on with what was taken, so that the ring need not wait."""
        self._due = self._looked + self._flush
        rows = self._ring.collect()
        if rows is not None:
            self._writes.append(self._writer.submit(self._write, rows))

    def _await_writes(self, most: int) -> None:
        """Wait until at most so many batches are still to be written: that bounds the memory."""
        while len(self._writes) > most or (self._writes and self._writes[0].done()):
            self._writes.popleft().result()

    def _write(self, rows: Rows) -> None:
        if self._storage.write(self._events.batch(rows)):
            self._events.clock_offset = _clock_offset()
            self._program.begin_segment(self._storage.segment)
            self._storage.update(losses=self._lost(), defects=self._events.defects)

    def _lost(self) -> dict[str, int]:
        return {cause: count for cause, count in self._ring.lost().items() if count}


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
