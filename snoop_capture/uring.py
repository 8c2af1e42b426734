# SPDX-License-Identifier: Apache-2.0
"""Joins the two rows of an io_uring request, its submission and its completion, to one event."""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from snoop_format.schema import RESULT_LOST

Array = NDArray[Any]

REQUEST: Final = "request"
"""Column with the request's number; null in rows that are not of io_uring."""
REPLACED: Final = "replaced"
"""Column with the number of a request that is over by this submission; 0 where none is."""
DONE: Final = "done"
"""Column that is true for a completion."""

# Columns of an event that come from the completion; the others come from the submission.
_RESULT: Final = ("ts", "ret", "real_path", "dev", "ino", "note")
_MOST_WAITING: Final = 1 << 17


class RequestJoin:
    """Submissions that wait for their completion, from batch to batch.

    What no longer waits because very many do has no result and no note: whether it was lost only
    the end tells, when no completion can come any more.

    Completions wait for one batch more, too: where the clocks of two CPUs differ, as in virtual
    machines they may, a completion can be in the batch before that of its submission.

    Args:
        in_flight: gives the numbers of the requests that have not been seen to complete; it is
            asked at the end, when all events were read. One that waits then and is not among them
            has completed, and its completion was lost.
    """

    def __init__(self, in_flight: Callable[[], set[int]]) -> None:
        self._in_flight = in_flight
        self._waiting: pa.Table | None = None
        self._early: pa.Table | None = None

    @property
    def waiting(self) -> int:
        """How many submissions have not been completed yet."""
        return self._waiting.num_rows if self._waiting is not None else 0

    def join(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Put each completed request in the place of its completion.

        Args:
            batch: events in order of time, with the columns ``REQUEST``, ``REPLACED`` and
                ``DONE``.

        Returns:
            the events without these columns. Submissions that are not completed yet are kept
            back; those that are over all the same, and the older half of very many, are given out
            without a result.
        """
        table = pa.Table.from_batches([batch])
        is_request = pc.is_valid(table[REQUEST])
        new = table.filter(is_request)
        kept = [part for part in (self._waiting, self._early) if part is not None]
        requests = pa.concat_tables([*kept, new])
        submission, completion = _pairs(requests)
        early = new.filter(new[DONE])
        matched = pc.is_in(early[REQUEST], requests[REQUEST].take(pa.array(submission)))
        self._early = early.filter(pc.invert(matched))
        joined = _merge(requests.take(submission), requests.take(completion))
        waiting = requests.take(_alone(requests, submission))
        over = np.isin(waiting[REQUEST].to_numpy(), requests[REPLACED].to_numpy())
        self._waiting = None if over.all() else waiting.filter(pa.array(~over))
        unknown = [_without_result(waiting.filter(pa.array(over))), *self._older_half_of_many()]
        return _one_batch([table.filter(pc.invert(is_request)), joined, *unknown])

    def rest(self) -> pa.RecordBatch | None:
        """What never completed, or whose completion was lost: events without a result.

        A note says of those that they are.
        """
        waiting, self._waiting = self._waiting, None
        if waiting is None:
            return None
        numbers = np.array(sorted(self._in_flight()), np.uint64)
        lost = pa.array(~np.isin(waiting[REQUEST].to_numpy(), numbers))
        words = waiting["note"].cast(pa.string())
        note = pc.coalesce(words, pc.if_else(lost, RESULT_LOST, pa.scalar(None, pa.string())))
        return _one_batch([_without_result(_with(waiting, "note", note))])

    def _older_half_of_many(self) -> list[pa.Table]:
        """What no longer waits so that others may."""
        if self._waiting is None or self.waiting <= _MOST_WAITING:
            return []
        older = self._waiting.slice(0, _MOST_WAITING // 2)
        self._waiting = self._waiting.slice(_MOST_WAITING // 2)
        return [_without_result(older)]


def _pairs(requests: pa.Table) -> tuple[Array, Array]:
    """Row numbers of submissions and of their completions.

    A request has one submission, or two if its call has two paths, and at most one completion.
    """
    number = requests[REQUEST].to_numpy()
    done = requests[DONE].to_numpy().astype(bool)
    submission, completion = np.flatnonzero(~done), np.flatnonzero(done)
    completion = completion[np.argsort(number[completion])]
    place = np.searchsorted(number[completion], number[submission])
    completed = place < len(completion)
    completed[completed] = number[completion[place[completed]]] == number[submission[completed]]
    return submission[completed], completion[place[completed]]


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
            )
        else:
            column = completions[name]
        submissions = _with(submissions, name, column)
    return submissions


def _without_result(submissions: pa.Table) -> pa.Table:
    return _with(submissions, "ret", pa.nulls(submissions.num_rows))


def _with(table: pa.Table, name: str, column: pa.Array | pa.ChunkedArray) -> pa.Table:
    """The table with another column in the place of one, of the type of that."""
    field = table.schema.field(name)
    return table.set_column(table.schema.get_field_index(name), field, column.cast(field.type))


def _one_batch(tables: list[pa.Table]) -> pa.RecordBatch:
    table = pa.concat_tables(tables).drop_columns([REQUEST, REPLACED, DONE])
    order = np.argsort(table["ts"].to_numpy(), kind="stable")
    table = table.unify_dictionaries().combine_chunks().take(order).combine_chunks()
    return pa.RecordBatch.from_arrays(
        [column.chunk(0) if column.num_chunks else _empty(column) for column in table.columns],
        schema=table.schema,
    )


def _empty(column: pa.ChunkedArray) -> pa.Array:
    return pa.array([], column.type)
