# SPDX-License-Identifier: Apache-2.0
"""Reading the ring: from blocks in shared memory to rows as whole columns.

This module, ``rows.py`` and bpf/block.h alone know the transport. The BPF program
fills blocks column by column and publishes a row by advancing the block's row count; a CPU has a
block to itself until that is full, so there is no lock. Reading is slicing: no record is ever
decoded.
"""

import mmap
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from snoop_capture.layout import CONTROL, LOSS_CAUSES, TURNS
from snoop_capture.program import Program
from snoop_capture.rows import Rows, RowTaker

Array = NDArray[Any]

_WORD: Final = 8  # the kernel begins each element of an array map at a multiple of this


class Ring:
    """The reader's end of the ring of an attached program."""

    def __init__(self, program: Program) -> None:
        layout = program.layout
        stride = -(-layout.block.itemsize // _WORD) * _WORD
        self._memory = {
            "blocks": program.map_memory("blocks", stride * layout.blocks),
            "turns": program.map_memory("turns", TURNS.itemsize * layout.blocks),
            "all_turns": program.map_memory("all_turns", TURNS.itemsize),
            "control": program.map_memory("control", CONTROL.itemsize * layout.cpus),
        }
        self._blocks = np.ndarray(
            (layout.blocks,), layout.block, self._memory["blocks"], strides=(stride,)
        )
        self._turns = np.frombuffer(self._memory["turns"], TURNS, layout.blocks)
        self._all_turns = np.frombuffer(self._memory["all_turns"], TURNS, 1)
        self._control = np.frombuffer(self._memory["control"], CONTROL, layout.cpus)
        self._layout = layout
        self._done = [0] * layout.blocks  # rows of each block that have been read
        self._rows = RowTaker(self._blocks)
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
        """Share of the ring that is not read yet; 0 to 1."""
        taken = self._turns["taken"] != self._turns["released"]
        rows = int(self._blocks["rows"][taken].sum(dtype=np.int64)) - sum(self._done)
        return min(1.0, max(0, rows) / (self._layout.rows * self._layout.blocks))

    @property
    def is_stuck(self) -> bool:
        """No block is free, so that nothing rings the bell, although rows are to be read."""
        taken, released = self._all_turns[0].tolist()
        return taken - released >= self._layout.blocks and self.fill() > 0

    def uring_rings(self) -> int:
        """io_uring instances that the traced cgroups have made so far."""
        return int(self._control["uring_rings"].sum())

    def moved_out(self) -> int:
        """How often a process of the traced cgroups has gone on in another one so far."""
        return int(self._control["moved_out"].sum())

    def drain(self, until: int) -> int:
        """Take all rows with ``ts`` ≤ ``until`` (CLOCK_MONOTONIC, ns) out of the shared memory.

        What another CPU may still be writing is newer than the previous look at the ring: with
        that look's time as ``until``, the rows of later drains are later on every CPU.

        Returns:
            how many rows have been taken since the last ``collect``.
        """
        current = self._control["serial"].copy()  # blocks that are begun after this can wait
        taken = np.flatnonzero(self._turns["taken"] != self._turns["released"])
        cpus, serials = self._blocks["cpu"][taken], self._blocks["serial"][taken]
        reached = np.zeros(len(current), bool)  # CPUs whose rows were taken up to ``until``
        for i in np.lexsort((serials, cpus)).tolist():
            cpu, serial, number = cpus[i], serials[i], int(taken[i])
            if serial > current[cpu] or reached[cpu]:
                continue
            reached[cpu] = not self._take(number, until)
            if serial < current[cpu] and not reached[cpu]:
                self._release(number)
        return self._rows.count

    def collect(self) -> Rows | None:
        """The rows taken since the last call, as one; None if there are none."""
        return self._rows.take()

    def close(self) -> None:
        """Unmap the shared memory."""
        self._bell.close()
        del self._blocks, self._turns, self._all_turns, self._control, self._rows
        while self._memory:
            self._memory.popitem()[1].close()

    def _take(self, number: int, until: int) -> bool:
        """Take a block's rows up to a time; whether these were all that it has."""
        first, written = self._done[number], int(self._blocks["rows"][number])
        if written == first:
            return True
        ts = self._blocks["ts"][number, first:written]
        last = written
        if ts[-1] > until:
            last = first + int(np.searchsorted(ts, until, side="right"))
        if last > first:
            self._rows.add(number, first, last)
            self._done[number] = last
        return last == written

    def _release(self, number: int) -> None:
        """Give a block back, for any CPU."""
        self._done[number] = 0
        self._turns["released"][number] += 1
        self._all_turns["released"] += 1


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
