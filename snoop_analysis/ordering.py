# SPDX-License-Identifier: Apache-2.0
"""Events from DuckDB in replay order, without sorting them all."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

_BATCH: Final = 1 << 20
_MOST_RUNS: Final = 1 << 8


class OutOfOrderError(Exception):
    """The files of a capture do not hold its events in replay order."""


def in_order(connection: duckdb.DuckDBPyConnection, queries: Iterable[str]) -> Iterator[pa.Table]:
    """The results of queries one after the other, ordered by their columns session_no and seq.

    The next one is made while one is in use.

    Args:
        connection: of its own; not to be used until the last result was taken.
        queries: each for a part of the events; the parts follow on each other.

    Raises:
        OutOfOrderError: they do not.
    """
    last = np.zeros(1, np.uint32), np.zeros(1, np.uint64)
    for table in _ahead(connection.sql(query).to_arrow_table() for query in queries):
        for piece in _sorted(table):
            last = _checked(piece, last)
            yield piece
    connection.close()


def sorted_by_database(connection: duckdb.DuckDBPyConnection, query: str) -> Iterator[pa.Table]:
    """The result of a query in pieces, ordered likewise, whatever the files' order."""
    batches = connection.sql(f"{query} ORDER BY session_no, seq").to_arrow_reader(_BATCH)
    yield from _ahead(pa.Table.from_batches([batch]) for batch in batches)
    connection.close()


def _ahead(tables: Iterator[pa.Table]) -> Iterator[pa.Table]:
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, tables, None)
        while (table := coming.result()) is not None:
            coming = pool.submit(next, tables, None)
            yield table


_Places = tuple[NDArray[np.uint32], NDArray[np.uint64]]


def _places(table: pa.Table) -> _Places:
    return table.column("session_no").to_numpy(), table.column("seq").to_numpy()


def _sorted(table: pa.Table) -> Iterator[pa.Table]:
    """The rows in order, in pieces; where they are in few as they come, none is copied."""
    if not len(table):
        return
    sessions, seqs = _places(table)
    runs = _runs(sessions, seqs)
    if runs is None:
        order = np.lexsort((seqs, sessions))
        rows = [column.to_numpy()[order] for column in table.columns]
        yield pa.table(rows, schema=table.schema)
    else:
        yield from (table.slice(begin, end - begin) for begin, end in runs)


def _runs(sessions: NDArray[np.uint32], seqs: NDArray[np.uint64]) -> list[tuple[int, int]] | None:
    """Where pieces begin and end that are all in order, one after the other.

    DuckDB reads several files at once, and gives what is in each in one piece or in a few. Null
    where they are many.
    """
    if _are_ordered(sessions, seqs):
        return [(0, len(seqs))]
    if sessions.min() != sessions.max():
        return None
    begins = np.append(0, np.flatnonzero(seqs[1:] < seqs[:-1]) + 1)
    while len(begins) <= _MOST_RUNS:
        ends = np.append(begins[1:], len(seqs))
        order = np.argsort(seqs[begins], kind="stable")
        firsts = seqs[begins[order]]
        if (seqs[ends[order] - 1][:-1] <= firsts[1:]).all():
            return list(zip(begins[order].tolist(), ends[order].tolist(), strict=True))
        # A run that the first row of another belongs into is two.
        cuts = [
            begin + np.searchsorted(seqs[begin:end], firsts)
            for begin, end in zip(begins, ends, strict=True)
        ]
        known = len(begins)
        begins = np.setdiff1d(np.concatenate([begins, *cuts]), [len(seqs)])
        if len(begins) == known:
            break
    return None


def _are_ordered(sessions: NDArray[np.uint32], seqs: NDArray[np.uint64]) -> bool:
    same = sessions[1:] == sessions[:-1]
    later = np.where(same, seqs[1:] >= seqs[:-1], sessions[1:] > sessions[:-1])
    return bool(later.all())


def _checked(table: pa.Table, last: _Places) -> _Places:
    """Session and seq of the last row.

    Raises:
        OutOfOrderError: the first row does not come after ``last``.
    """
    sessions, seqs = _places(table)
    if not _are_ordered(
        np.concatenate([last[0], sessions[:1]]), np.concatenate([last[1], seqs[:1]])
    ):
        raise OutOfOrderError
    return sessions[-1:], seqs[-1:]
