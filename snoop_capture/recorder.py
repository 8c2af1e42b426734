# SPDX-License-Identifier: Apache-2.0
"""The recorder: program, ring, events and storage, put together."""

import platform
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from snoop_capture.events import EventBuilder
from snoop_capture.layout import Layout, layout_for
from snoop_capture.opcodes import opcode_table
from snoop_capture.program import Program
from snoop_capture.ring import Ring
from snoop_capture.storage import SessionWriter
from snoop_capture.syscalls import syscall_table

DEFAULT_RING: Final = 16 << 20
DEFAULT_FLUSH: Final = 1.0  # seconds

_POSSIBLE_CPUS: Final = Path("/sys/devices/system/cpu/possible")


@dataclass(frozen=True, slots=True)
class Totals:
    """What a recording came to."""

    events: int
    losses: dict[str, int]
    defects: dict[str, int]


class Containers(Protocol):
    """What knows the traced cgroups by name."""

    def entries(self, cgroup_ids: set[int]) -> list[dict[str, Any]]:
        """Entries for ``session.json``, among them one for each of the ids."""


class Recorder:
    """Records the traced cgroups into a session directory.

    One thread drives it: wait until ``fileno`` is readable or a flush interval has passed, then
    call ``poll``.

    Args:
        program: the attached program.
        session: an empty session directory.
        metadata: what ``session.json`` shall say besides what the recorder knows.
    """

    def __init__(self, program: Program, session: Path, metadata: Mapping[str, Any]) -> None:
        self.session = session
        self._program = program
        self._ring = Ring(program)
        table = syscall_table(platform.machine()) | opcode_table()
        self._events = EventBuilder(table, _clock_offset())
        self._storage = SessionWriter(session, metadata)
        self._program.begin_segment(self._storage.segment)
        self._looked = time.monotonic_ns()
        self._storage.update()

    def fileno(self) -> int:
        """Readable when a good part of the ring has filled: call ``poll`` then."""
        return self._ring.fileno()

    def poll(self) -> None:
        """Take what the ring holds, up to the last call of this, and write it."""
        self._ring.hush()
        self._program.watch_seccomp()
        until, self._looked = self._looked, time.monotonic_ns()
        self._write(until)

    @property
    def cgroups(self) -> set[int]:
        """Ids of the cgroups that events have come from so far."""
        return self._events.cgroups

    def stop(self, containers: Containers) -> Totals:
        """Detach, take the rest, seal, and write the session's end."""
        self._program.detach()
        self._write(time.monotonic_ns())
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

    def _write(self, until: int) -> None:
        rows = self._ring.drain(until)
        if rows is None:
            return
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
