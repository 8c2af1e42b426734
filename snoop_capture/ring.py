# SPDX-License-Identifier: Apache-2.0
"""Reading the ring: from blocks in shared memory to rows as whole columns.

This module and the lower half of bpf/snoop.c alone know the transport. The BPF program fills
blocks column by column and publishes a row by advancing the block's row count; each CPU has its
own blocks, so there is no lock. Reading is slicing: no record is ever decoded.
"""

import mmap
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from snoop_capture.layout import CONTROL, LOSS_CAUSES
from snoop_capture.program import Program

Array = NDArray[Any]

_COLUMNS: Final = ("ts", "flags", "kind", "mark", "ret", "dirfd")


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows as they came from the kernel, in order of time; all arrays have one entry a row.

    ``ts`` is in nanoseconds of CLOCK_MONOTONIC. A lane's entry ``i`` is
    ``data[ends[i - 1] : ends[i]]`` (from 0 for the first): raw bytes as bpf/snoop.c wrote them.
    ``task`` is an index into ``tasks`` (dtype ``layout.TASK``) and ``exes`` (bytes, a walk).
    """

    ts: Array
    flags: Array
    kind: Array
    mark: Array
    ret: Array
    dirfd: Array
    task: Array
    ends: dict[str, Array]
    data: dict[str, Array]
    tasks: Array
    exes: list[bytes]
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
        self._lanes = {"path": 0, "base": layout.base_start, "real": layout.real_start}
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
        rows = self._collect(pieces, len([r for r in reaches if r.pieces])) if pieces else None
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

    def _collect(self, pieces: list[_Piece], cpus: int) -> Rows:
        columns = {c: _join([p.block[c][p.first : p.last] for p in pieces]) for c in _COLUMNS}
        tables = [p.block["tasks_seen"][: int(p.block["tasks"])] for p in pieces]
        known = np.cumsum([0] + [len(table) for table in tables[:-1]], dtype=np.uint32)
        indices = [
            p.block["task"][p.first : p.last] + k for p, k in zip(pieces, known, strict=True)
        ]
        lanes = {lane: _lane(pieces, lane, start) for lane, start in self._lanes.items()}
        return Rows(
            **columns,
            task=_join(indices),
            tasks=_join(tables),
            exes=[exe for piece in pieces for exe in self._exes(piece.block)],
            ends={lane: ends for lane, (ends, _) in lanes.items()},
            data={lane: data for lane, (_, data) in lanes.items()},
            order=np.argsort(columns["ts"], kind="stable") if cpus > 1 else None,
        )

    def _exes(self, block: Any) -> list[bytes]:
        start = self._layout.exe_start
        ends = block["tasks_seen"]["exe_end"][: int(block["tasks"])].tolist()
        return [
            block["area"][start + first : start + last].tobytes()
            for first, last in zip([0, *ends], ends, strict=False)
        ]


def _join(arrays: list[Array]) -> Array:
    return arrays[0].copy() if len(arrays) == 1 else np.concatenate(arrays)


def _lane(pieces: list[_Piece], lane: str, start: int) -> tuple[Array, Array]:
    """Ends and bytes of a lane over all pieces, as one lane."""
    ends, data, total = [], [], 0
    for piece in pieces:
        to = piece.block[lane + "_to"]
        first = int(to[piece.first - 1]) if piece.first else 0
        last = int(to[piece.last - 1])
        ends.append(to[piece.first : piece.last].astype(np.int32) + np.int32(total - first))
        data.append(piece.block["area"][start + first : start + last])
        total += last - first
    return _join(ends), _join(data)


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
