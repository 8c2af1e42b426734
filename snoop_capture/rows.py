# SPDX-License-Identifier: Apache-2.0
"""Rows out of blocks: each column is copied once, to where the next rows follow it."""

from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np
from numpy.typing import DTypeLike, NDArray

from snoop_capture.layout import NO_BASE, TASK

Array = NDArray[Any]

_COLUMNS: Final = {
    "ts": "u8", "flags": "u8", "kind": "u4", "mark": "u4", "ret": "i4", "dirfd": "i4"
}  # fmt: skip
_ROOM: Final = 1 << 15  # rows that are expected
_BYTES_PER_ROW: Final = 16


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

    def path(self, row: int) -> bytes:
        """The path of one row; empty where it has none."""
        start = self.path_ends[row - 1] if row else 0
        path: bytes = self.path_data[start : self.path_ends[row]].tobytes()
        return path

    def __len__(self) -> int:
        return len(self.ts)

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays."""
        values = (getattr(self, field.name) for field in fields(self))
        return sum(value.nbytes for value in values if isinstance(value, np.ndarray))


class RowTaker:
    """Collects rows from blocks.

    Args:
        blocks: all blocks, of dtype ``Layout.block``, in shared memory.
    """

    def __init__(self, blocks: Array) -> None:
        names = blocks.dtype.names or ()
        self._blocks = {name: blocks[name] for name in names}
        self._begin()

    @property
    def count(self) -> int:
        """Rows so far."""
        return self._columns["ts"].length

    def add(self, number: int, first: int, last: int) -> None:
        """Copy rows ``first`` … ``last - 1`` of a block, which is no more needed for them."""
        rows = slice(first, last)
        for name, column in self._columns.items():
            column.extend(last - first)[:] = self._blocks[name][number, rows]
        self._add_paths(number, first, last)
        self._add_tasks(number, rows)
        self._add_bases(number, rows)
        self._add_real(number, rows)
        self._cpus.add(int(self._blocks["cpu"][number]))

    def take(self) -> Rows | None:
        """All rows since the last call; None if there are none."""
        if not self.count:
            return None
        columns = {name: column.array for name, column in self._columns.items()}
        in_order = len(self._cpus) == 1
        rows = Rows(
            **columns,
            path_ends=self._path_ends.array,
            path_data=self._path_data.array,
            task=self._task.array,
            tasks=self._tasks.array,
            exes=self._exes,
            base=self._base.array,
            bases=self._bases,
            real_from=self._real_from.array,
            real_to=self._real_to.array,
            real_data=self._real_data.array,
            order=None if in_order else np.argsort(columns["ts"], kind="stable"),
        )
        self._begin()
        return rows

    def _begin(self) -> None:
        self._columns = {name: _Column(kind, _ROOM) for name, kind in _COLUMNS.items()}
        self._path_ends = _Column(np.int32, _ROOM)
        self._path_data = _Column(np.uint8, _ROOM * _BYTES_PER_ROW)
        self._task = _Column(np.int64, _ROOM)
        self._tasks = _Column(TASK, 1)
        self._exes: list[bytes] = []
        self._base = _Column(np.int32, _ROOM)
        self._bases: list[bytes] = []
        self._real_from = _Column(np.int64, _ROOM)
        self._real_to = _Column(np.int64, _ROOM)
        self._real_data = _Column(np.uint8, 1)
        self._cpus: set[int] = set()

    def _add_paths(self, number: int, first: int, last: int) -> None:
        ends = self._blocks["path_to"][number]
        low, high = int(ends[first - 1]) if first else 0, int(ends[last - 1])
        self._path_ends.extend_shifted(ends[first:last], self._path_data.length - low)
        self._path_data.extend(high - low)[:] = self._blocks["area"][number, low:high]

    def _add_tasks(self, number: int, rows: slice) -> None:
        task = self._blocks["task"][number, rows]
        low, high = int(task.min()), int(task.max()) + 1
        self._task.extend_shifted(task, self._tasks.length - low)
        tasks = self._tasks.extend(high - low)
        tasks[:] = self._blocks["task_table"][number, low:high]
        self._exes += self._names(number, tasks["exe_from"], tasks["exe_to"])

    def _add_bases(self, number: int, rows: slice) -> None:
        base = self._blocks["base"][number, rows]
        low = int(base.min())
        if low == NO_BASE:
            self._base.extend(len(base))[:] = -1
            return
        high = int(base.view(np.int32).max()) + 1  # as a signed number NO_BASE is -1
        shifted = self._base.extend_shifted(base, len(self._bases) - low)
        shifted[base == NO_BASE] = -1
        bases = self._blocks["base_table"][number, low:high]
        self._bases += self._names(number, bases["from"], bases["to"])

    def _add_real(self, number: int, rows: slice) -> None:
        starts = self._blocks["real_from"][number, rows]
        ends = self._blocks["real_to"][number, rows]
        high = int(ends.max())
        low = int(starts[np.argmax(ends > 0)]) if high else 0
        shift = self._real_data.length - low
        self._real_from.extend_shifted(starts, shift)
        self._real_to.extend_shifted(ends, shift)
        self._real_data.extend(high - low)[:] = self._blocks["area"][number, low:high]

    def _names(self, number: int, starts: Array, ends: Array) -> list[bytes]:
        area = self._blocks["area"][number]
        return [area[a:b].tobytes() for a, b in zip(starts.tolist(), ends.tolist(), strict=True)]


class _Column:
    """An array that grows at its end."""

    def __init__(self, dtype: DTypeLike, room: int) -> None:
        self._array = np.empty(room, dtype)
        self.length = 0

    @property
    def array(self) -> Array:
        """What is in it."""
        return self._array[: self.length]

    def extend(self, count: int) -> Array:
        """Room for ``count`` more entries, to be filled."""
        start, self.length = self.length, self.length + count
        if self.length > len(self._array):
            grown = np.empty(max(self.length, 2 * len(self._array)), self._array.dtype)
            grown[:start] = self._array[:start]
            self._array = grown
        return self._array[start : self.length]

    def extend_shifted(self, values: Array, by: int) -> Array:
        """Add ``by`` to non-negative values and append them, which must then fit; what became."""
        added = self.extend(len(values))
        np.add(values, by, out=added, dtype=added.dtype, casting="unsafe")
        return added
