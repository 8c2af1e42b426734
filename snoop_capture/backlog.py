# SPDX-License-Identifier: Apache-2.0
"""Events that wait in memory until they can be written."""

import collections
from collections import Counter
from collections.abc import Callable
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

NOT_WRITTEN: Final = "not_written"
"""Why events are lost that find the backlog full: a cause beside those of the BPF program."""
_FEWEST: Final = 256  # events in half a batch: with fewer, what goes with each batch prevails


class Backlog:
    """A queue of batches that is bounded in bytes; what finds it full is lost, and counted.

    A batch that is alone in it is never lost, whatever its size.

    Attributes:
        events: how many wait.
        bytes: the memory they take.
        lost: events lost, by cgroup id.
    """

    def __init__(self, most_bytes: int) -> None:
        self.events = 0
        self.bytes = 0
        self.lost: Counter[int] = Counter()
        self._most_bytes = most_bytes
        self._batches: collections.deque[pa.RecordBatch] = collections.deque()

    def __bool__(self) -> bool:
        return bool(self._batches)

    def add(self, batch: pa.RecordBatch) -> None:
        """Append a batch, or count its events as lost."""
        if self._batches and self.bytes + batch.nbytes > self._most_bytes:
            self._lose(batch)
            return
        self._put(batch, self._batches.append)

    @property
    def first(self) -> pa.RecordBatch:
        """The batch that waits longest."""
        return self._batches[0]

    def pop(self) -> pa.RecordBatch:
        """Take that out."""
        batch = self._batches.popleft()
        self.bytes -= batch.nbytes
        self.events -= batch.num_rows
        return batch

    def halve(self) -> bool:
        """Make two of the batch that waits longest, for room that one has not.

        Returns:
            whether it was large enough.
        """
        middle = self.first.num_rows // 2
        if middle < _FEWEST:
            return False
        whole = self.pop()
        for half in (whole.slice(middle), whole.slice(0, middle)):
            self._put(_standing_alone(half), self._batches.appendleft)
        return True

    def give_up(self) -> None:
        """Count all that wait as lost."""
        while self._batches:
            self._lose(self.pop())

    def _put(self, batch: pa.RecordBatch, put: Callable[[pa.RecordBatch], None]) -> None:
        put(batch)
        self.bytes += batch.nbytes
        self.events += batch.num_rows

    def _lose(self, batch: pa.RecordBatch) -> None:
        for entry in pc.value_counts(batch.column("cgroup_id")).to_pylist():
            self.lost[entry["values"]] += entry["counts"]


def _standing_alone(part: pa.RecordBatch) -> pa.RecordBatch:
    """A slice of a batch, with dictionaries that hold nothing of the rest of that."""
    columns = [
        column.dictionary_decode().dictionary_encode()
        if pa.types.is_dictionary(column.type)
        else column
        for column in part.columns
    ]
    return pa.RecordBatch.from_arrays(columns, schema=part.schema)
