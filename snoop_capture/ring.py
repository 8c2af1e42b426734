# SPDX-License-Identifier: Apache-2.0
"""Reading the ring: from blocks in shared memory to rows as whole columns.

This module and the lower half of bpf/snoop.c alone know the transport. The BPF program fills
blocks column by column and publishes a row by advancing the block's row count; each CPU has its
own blocks, so there is no lock. Reading is slicing: no record is ever decoded.
"""

import itertools
import mmap
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from snoop_capture.layout import CONTROL, LOSS_CAUSES, NO_BASE
from snoop_capture.program import Program

Array = NDArray[Any]

_COLUMNS: Final = ("ts", "flags", "kind", "mark", "ret", "dirfd")


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows as they came from the kernel; all arrays have one entry a row unless said otherwise.

    Walks (in ``exes``, ``bases`` and behind 16 bytes in ``real_data``) are names from the leaf to
    the root, each ended by a NUL.
    """

    ts: Array
    """Nanoseconds of CLOCK_MONOTONIC."""
    flags: Array
    kind: Array
    mark: Array
    ret: Array
    dirfd: Array
    path_ends: Array
    """Where each row's path ends in ``path_data`` (bytes); it begins where the one before ends."""
    path_data: Array
    task: Array
    """Index into ``tasks`` (dtype ``layout.TASK``) and into ``exes``."""
    tasks: Array
    exes: list[bytes]
    base: Array
    """Index into ``bases``; -1 where the row has none."""
    bases: list[bytes]
    real_from: Array
    real_to: Array
    """Range in ``real_data`` (bytes), of use where ``mark`` says that the row has one."""
    real_data: Array
    order: Array | None
    """Where rows of several CPUs meet: the order in time; None where the rows have it already."""

    def __len__(self) -> int:
        return len(self.ts)


@dataclass(frozen=True, slots=True)
class _Reach:
    """How far one CPU's blocks can be read: the rows, and where to go on afterwards."""

    rows: list[Rows]
    serial: int
    done: int


class Ring:
    """The reader's end of the ring of an attached program."""

    def __init__(self, program: Program) -> None:
        layout = program.layout
        self._layout = layout
        blocks = layout.cpus * layout.blocks
        stride = -(-layout.block.itemsize // 8) * 8
        self._memory = program.map_memory("blocks", stride * blocks)
        self._control_memory = program.map_memory("control", CONTROL.itemsize * layout.cpus)
        self._control = np.frombuffer(self._control_memory, CONTROL, layout.cpus)
        self._blocks = [
            [
                np.frombuffer(
                    self._memory, layout.block, 1, stride * (cpu * layout.blocks + number)
                )[0]
                for number in range(layout.blocks)
            ]
            for cpu in range(layout.cpus)
        ]
        self._done = [0] * layout.cpus  # rows read of each CPU's oldest block
        self._taken: list[Rows] = []
        self._taken_rows = 0
        self._taken_cpus: set[int] = set()
        self._bell = _Bell(program.descriptors["bell"])

    def fileno(self) -> int:
        """Becomes readable when a block was filled."""
        return self._bell.fileno()

    def hush(self) -> None:
        """Take note of the bell: ``fileno`` is readable again only at its next ring."""
        self._bell.hush()

    def lost(self) -> dict[str, int]:
        """Events lost so far by cause."""
        return dict(zip(LOSS_CAUSES, self._control["lost"].sum(axis=0).tolist(), strict=True))

    def fill(self) -> float:
        """Share of the blocks that are not read yet, of the CPU where it is largest; 0 to 1."""
        unread = self._control["current"] - self._control["released"]
        return float(unread.max()) / self._layout.blocks

    def uring_rings(self) -> int:
        """io_uring instances that the traced cgroups have made so far."""
        return int(self._control["uring_rings"].sum())

    def drain(self, until: int) -> int:
        """Take all rows with ``ts`` ≤ ``until`` (CLOCK_MONOTONIC, ns) out of the shared memory.

        What another CPU may still be writing is newer than the previous look at the ring: with
        that look's time as ``until``, the rows of later drains are later on every CPU.

        Returns:
            how many rows have been taken since the last ``collect``.
        """
        for cpu in range(self._layout.cpus):
            reach = self._reach(cpu, until)
            self._done[cpu] = reach.done
            self._control[cpu]["released"] = reach.serial
            if reach.rows:
                self._taken += reach.rows
                self._taken_rows += sum(map(len, reach.rows))
                self._taken_cpus.add(cpu)
        return self._taken_rows

    def collect(self) -> Rows | None:
        """The rows taken since the last call, as one; None if there are none."""
        if not self._taken:
            return None
        rows = _join(self._taken, in_order=len(self._taken_cpus) == 1)
        self._taken, self._taken_rows = [], 0
        self._taken_cpus.clear()
        return rows

    def close(self) -> None:
        """Unmap the shared memory."""
        self._bell.close()
        del self._blocks, self._control
        self._memory.close()
        self._control_memory.close()

    def _reach(self, cpu: int, until: int) -> _Reach:
        rows = []
        serial = int(self._control[cpu]["released"])
        current = int(self._control[cpu]["current"])
        first = self._done[cpu]
        while True:
            block = self._blocks[cpu][serial % self._layout.blocks]
            written = last = int(block["rows"])
            if last > first and block["ts"][last - 1] > until:
                last = first + int(np.searchsorted(block["ts"][first:last], until, side="right"))
            if last > first:
                rows.append(_copy(block, first, last))
            if last < written or serial == current:
                return _Reach(rows, serial, last)
            serial += 1
            first = 0


def _copy(block: Any, first: int, last: int) -> Rows:
    """Rows ``first`` … ``last - 1`` of a block, out of the shared memory."""
    columns = {name: block[name][first:last].copy() for name in _COLUMNS}
    area = block["area"]
    path_to = block["path_to"]
    path_from = int(path_to[first - 1]) if first else 0
    task, tasks = _used(block["task"][first:last], block["task_table"])
    base, bases = _used(block["base"][first:last], block["base_table"])
    real_from, real_to = block["real_from"][first:last], block["real_to"][first:last]
    has_real = real_to > 0
    low, high = (int(real_from[has_real][0]), int(real_to.max())) if has_real.any() else (0, 0)
    return Rows(
        **columns,
        path_ends=path_to[first:last].astype(np.int32) - np.int32(path_from),
        path_data=area[path_from : int(path_to[last - 1])].copy(),
        task=task,
        tasks=tasks,
        exes=_names(area, tasks["exe_from"], tasks["exe_to"]),
        base=base,
        bases=_names(area, bases["from"], bases["to"]),
        real_from=np.where(has_real, real_from.astype(np.int64) - low, 0),
        real_to=np.where(has_real, real_to.astype(np.int64) - low, 0),
        real_data=area[low:high].copy(),
        order=None,
    )


def _used(index: Array, table: Array) -> tuple[Array, Array]:
    """Of a table the part that the indices use, and the indices into that.

    -1 stands for ``NO_BASE``.
    """
    index = index.astype(np.int64)
    used = index[index != NO_BASE]
    if not len(used):
        return np.full(len(index), -1), table[:0].copy()
    low, high = int(used.min()), int(used.max())
    return np.where(index == NO_BASE, -1, index - low), table[low : high + 1].copy()


def _names(area: Array, starts: Array, ends: Array) -> list[bytes]:
    return [area[a:b].tobytes() for a, b in zip(starts.tolist(), ends.tolist(), strict=True)]


def _join(parts: list[Rows], in_order: bool) -> Rows:
    """Rows put together; with their order in time unless they have it already."""
    columns = {name: np.concatenate([getattr(p, name) for p in parts]) for name in _COLUMNS}
    paths = _starts([len(p.path_data) for p in parts])
    tasks = _starts([len(p.tasks) for p in parts])
    bases = _starts([len(p.bases) for p in parts])
    reals = _starts([len(p.real_data) for p in parts])
    return Rows(
        **columns,
        path_ends=_shifted([p.path_ends for p in parts], paths),
        path_data=np.concatenate([p.path_data for p in parts]),
        task=_shifted([p.task for p in parts], tasks),
        tasks=np.concatenate([p.tasks for p in parts]),
        exes=[exe for p in parts for exe in p.exes],
        base=np.concatenate(
            [np.where(p.base < 0, -1, p.base + at) for p, at in zip(parts, bases, strict=True)]
        ),
        bases=[base for p in parts for base in p.bases],
        real_from=_shifted([p.real_from for p in parts], reals),
        real_to=_shifted([p.real_to for p in parts], reals),
        real_data=np.concatenate([p.real_data for p in parts]),
        order=None if in_order else np.argsort(columns["ts"], kind="stable"),
    )


def _starts(lengths: list[int]) -> list[int]:
    """Where each of some parts begins once they are joined."""
    return list(itertools.accumulate(lengths, initial=0))[:-1]


def _shifted(arrays: list[Array], starts: list[int]) -> Array:
    moved = [array + array.dtype.type(at) for array, at in zip(arrays, starts, strict=True)]
    return np.concatenate(moved)


class _Bell:
    """The ring buffer that only wakes: its content does not matter, that there is some does.

    Page 0 of a mapped BPF ring buffer is the consumer's position, page 1 the producer's.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._consumer = mmap.mmap(descriptor, mmap.PAGESIZE)
        self._producer = mmap.mmap(
            descriptor, mmap.PAGESIZE, prot=mmap.PROT_READ, offset=mmap.PAGESIZE
        )

    def fileno(self) -> int:
        return self._descriptor

    def hush(self) -> None:
        self._consumer[0:8] = self._producer[0:8]

    def close(self) -> None:
        self._consumer.close()
        self._producer.close()
