# SPDX-License-Identifier: Apache-2.0
"""Joins the two rows of an io_uring request, its submission and its completion, to one event."""

from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Array = NDArray[Any]

REQUEST: Final = "request"
"""Column with the request's address; null in rows that are not of io_uring."""
DONE: Final = "done"
"""Column that is true for a completion."""

# Columns of an event that come from the completion; the others come from the submission.
_RESULT: Final = ("ts", "ret", "real_path", "dev", "ino", "note")
_MOST_WAITING: Final = 1 << 17


class RequestJoin:
    """Submissions that wait for their completion, from batch to batch."""

    def __init__(self) -> None:
        self._waiting: pa.Table | None = None

    @property
    def waiting(self) -> int:
        """How many submissions have not been completed yet."""
        return self._waiting.num_rows if self._waiting is not None else 0

    def join(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Put each completed request in the place of its completion.

        Args:
            batch: events in order of time, with the columns ``REQUEST`` and ``DONE``.

        Returns:
            the events without these columns. Submissions that are not completed yet are kept
            back; the oldest of very many are given out without a result.
        """
        table = pa.Table.from_batches([batch])
        is_request = pc.is_valid(table[REQUEST])
        requests = table.filter(is_request)
        if self._waiting is not None:
            requests = pa.concat_tables([self._waiting, requests])
        submission, completion = _pairs(requests)
        joined = _merge(requests.take(submission), requests.take(completion))
        waiting = requests.take(_alone(requests, submission))
        surplus = max(0, waiting.num_rows - _MOST_WAITING)
        self._waiting = waiting.slice(surplus) if waiting.num_rows else None
        return _one_batch([table.filter(pc.invert(is_request)), joined, waiting.slice(0, surplus)])

    def rest(self) -> pa.RecordBatch | None:
        """What never completed: events without a result."""
        waiting, self._waiting = self._waiting, None
        if waiting is None:
            return None
        nothing = pa.nulls(waiting.num_rows, waiting.schema.field("ret").type)
        index = waiting.schema.get_field_index("ret")
        return _one_batch([waiting.set_column(index, "ret", nothing)])


def _pairs(requests: pa.Table) -> tuple[Array, Array]:
    """Row numbers of submissions and of their completions.

    A request's address is used again, so the order counts: sorted by address and, within one
    address, by time, a completion stands right behind its submissions (two for a call with two
    paths), and belongs to those of them that no other completion follows.
    """
    address = requests[REQUEST].to_numpy()
    done = requests[DONE].to_numpy().astype(bool)
    order = np.argsort(address, kind="stable")
    address, done = address[order], done[order]
    position = np.arange(len(order))
    # For each row the next completion at or behind it.
    following = np.where(done, position, len(order))
    following = np.minimum.accumulate(following[::-1])[::-1]
    valid = ~done & (following < len(order))
    valid[valid] = address[following[valid]] == address[valid]
    return order[valid], order[following[valid]]


def _alone(requests: pa.Table, joined: Array) -> Array:
    """Row numbers of the submissions that have no completion."""
    alone = ~requests[DONE].to_numpy().astype(bool)
    alone[joined] = False
    return np.flatnonzero(alone)


def _merge(submissions: pa.Table, completions: pa.Table) -> pa.Table:
    for name in _RESULT:
        if name == "note":
            column = pc.coalesce(
                submissions[name].cast(pa.string()), completions[name].cast(pa.string())
            ).cast(submissions[name].type)
        else:
            column = completions[name]
        index = submissions.schema.get_field_index(name)
        submissions = submissions.set_column(index, submissions.schema.field(name), column)
    return submissions


def _one_batch(tables: list[pa.Table]) -> pa.RecordBatch:
    table = pa.concat_tables(tables).drop_columns([REQUEST, DONE])
    order = np.argsort(table["ts"].to_numpy(), kind="stable")
    table = table.unify_dictionaries().combine_chunks().take(order).combine_chunks()
    return pa.RecordBatch.from_arrays(
        [column.chunk(0) if column.num_chunks else _empty(column) for column in table.columns],
        schema=table.schema,
    )


def _empty(column: pa.ChunkedArray) -> pa.Array:
    return pa.array([], column.type)
