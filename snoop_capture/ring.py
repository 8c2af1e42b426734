# SPDX-License-Identifier: Apache-2.0
"""Reading the ring: from blocks in shared memory to rows as whole columns.

This module and the lower half of bpf/snoop.c alone know the transport. The BPF program fills
blocks column by column and publishes a row by advancing the block's row count; each CPU has its
own blocks, so there is no lock. Reading is slicing: no record is ever decoded.
"""

import mmap
from collections.abc import Iterator
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
    """Range in ``real_data`` (bytes); empty where the row has none."""
    real_data: Array
    order: Array | None
    """Where rows of several CPUs meet: the order in time; None where the rows have it already."""

    def __len__(self) -> int:
        return len(self.ts)


@dataclass(frozen=True, slots=True)
class _Piece:
    """Rows ``first`` … ``last - 1`` of a block, which lies in shared memory."""

    block: Any
    first: int
    last: int

    def column(self, name: str) -> Array:
        """A column of these rows, as a view."""
        column: Array = self.block[name][self.first : self.last]
        return column


@dataclass(frozen=True, slots=True)
class _Reach:
    """How far one CPU's blocks can be read: the pieces, and where to go on afterwards."""

    pieces: list[_Piece]
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
        self._bell = _Bell(program.descriptors["bell"])

    def fileno(self) -> int:
        """Becomes readable when a block was filled, or after ``arm`` when a row was written."""
        return self._bell.fileno()

    def arm(self) -> None:
        """Ask to be woken by the next row."""
        self._control["armed"] = 1

    def hush(self) -> None:
        """Take note of the bell: ``fileno`` is readable again only at its next ring."""
        self._bell.hush()

    def lost(self) -> dict[str, int]:
        """Events lost so far by cause."""
        return dict(zip(LOSS_CAUSES, self._control["lost"].sum(axis=0).tolist(), strict=True))

    def uring_rings(self) -> int:
        """io_uring instances that the traced cgroups have made so far."""
        return int(self._control["uring_rings"].sum())

    def published(self) -> int:
        """Rows written so far."""
        return int(self._control["rows"].sum())

    def fill(self) -> float:
        """The share of the fullest CPU's blocks that waits to be read, 0 to 1."""
        waiting = self._control["current"] - self._control["released"]
        return float(waiting.max()) / self._layout.blocks

    def drain(self, until: int) -> Rows | None:
        """Take all rows with ``ts`` ≤ ``until`` (CLOCK_MONOTONIC, ns); None if there are none.

        Rows of one CPU come in order of time. What another CPU may still be writing is newer
        than the previous look at the ring, so that look's time, as ``until``, gives rows in
        order over all CPUs.
        """
        reaches = [self._reach(cpu, until) for cpu in range(self._layout.cpus)]
        pieces = [piece for reach in reaches for piece in reach.pieces]
        rows = _collect(pieces, len([r for r in reaches if r.pieces])) if pieces else None
        for cpu, reach in enumerate(reaches):
            self._done[cpu] = reach.done
            self._control[cpu]["released"] = reach.serial
        return rows

    def close(self) -> None:
        """Unmap the shared memory."""
        self._bell.close()
        del self._blocks, self._control
        self._memory.close()
        self._control_memory.close()

    def _reach(self, cpu: int, until: int) -> _Reach:
        pieces = []
        serial = int(self._control[cpu]["released"])
        current = int(self._control[cpu]["current"])
        first = self._done[cpu]
        while True:
            block = self._blocks[cpu][serial % self._layout.blocks]
            rows = last = int(block["rows"])
            if rows > first and block["ts"][rows - 1] > until:
                last = first + int(np.searchsorted(block["ts"][first:rows], until, side="right"))
            if last > first:
                pieces.append(_Piece(block, first, last))
            if last < rows or serial == current:
                return _Reach(pieces, serial, last)
            serial += 1
            first = 0


def _collect(pieces: list[_Piece], cpus: int) -> Rows:
    columns = {c: _join([p.column(c) for p in pieces]) for c in _COLUMNS}
    path_ends, path_data = _paths(pieces)
    task, tables = _indexed(pieces, "task", "task_table")
    base, base_tables = _indexed(pieces, "base", "base_table")
    real_from, real_to, real_data = _reals(pieces)
    return Rows(
        **columns,
        path_ends=path_ends,
        path_data=path_data,
        task=task,
        tasks=_join(tables),
        exes=list(_names(pieces, tables, "exe_from", "exe_to")),
        base=base,
        bases=list(_names(pieces, base_tables, "from", "to")),
        real_from=real_from,
        real_to=real_to,
        real_data=real_data,
        order=np.argsort(columns["ts"], kind="stable") if cpus > 1 else None,
    )


def _join(arrays: list[Array]) -> Array:
    return arrays[0].copy() if len(arrays) == 1 else np.concatenate(arrays)


def _paths(pieces: list[_Piece]) -> tuple[Array, Array]:
    """Ends and bytes of the paths of all pieces, as of one."""
    ends, data, total = [], [], 0
    for piece in pieces:
        to = piece.block["path_to"]
        first = int(to[piece.first - 1]) if piece.first else 0
        last = int(to[piece.last - 1])
        ends.append(piece.column("path_to").astype(np.int32) + np.int32(total - first))
        data.append(piece.block["area"][first:last])
        total += last - first
    return _join(ends), _join(data)


def _indexed(pieces: list[_Piece], column: str, table: str) -> tuple[Array, list[Array]]:
    """A column of indices into its blocks' tables, and of each table the part that it uses.

    The indices become those of the parts joined together; -1 stands for ``NO_BASE``.
    """
    indices, parts, total = [], [], 0
    for piece in pieces:
        index = piece.column(column).astype(np.int64)
        used = index[index != NO_BASE]
        low, high = (int(used.min()), int(used.max()) + 1) if len(used) else (0, 0)
        indices.append(np.where(index == NO_BASE, -1, index + (total - low)))
        parts.append(piece.block[table][low:high].copy())
        total += high - low
    return _join(indices), parts


def _names(pieces: list[_Piece], tables: list[Array], first: str, last: str) -> Iterator[bytes]:
    """The names that each row of the tables points to."""
    for piece, table in zip(pieces, tables, strict=True):
        area = piece.block["area"]
        for start, end in zip(table[first].tolist(), table[last].tolist(), strict=True):
            yield area[start:end].tobytes()


def _reals(pieces: list[_Piece]) -> tuple[Array, Array, Array]:
    """For each row a range in the bytes that are returned last; empty where it has none."""
    starts, ends, data, total = [], [], [], 0
    for piece in pieces:
        start = piece.column("real_from").astype(np.int64)
        end = piece.column("real_to").astype(np.int64)
        has = end > 0
        low, high = (int(start[has].min()), int(end.max())) if has.any() else (0, 0)
        starts.append(np.where(has, start + (total - low), 0))
        ends.append(np.where(has, end + (total - low), 0))
        data.append(piece.block["area"][low:high])
        total += high - low
    return _join(starts), _join(ends), _join(data)


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
