# SPDX-License-Identifier: Apache-2.0
"""Events from DuckDB in replay order, without sorting them all."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

_BATCH: Final = 1 << 20
# DuckDB with one thread scans files in order, and joins vector by vector: a row comes at most so
# many rows too late (a vector has 2,048). What is further out of place was so in the files.
_SLACK: Final = 1 << 13


class OutOfOrderError(Exception):
    """The files of a capture do not hold its events in replay order."""


def in_order(connection: duckdb.DuckDBPyConnection, query: str) -> Iterator[pa.Table]:
    """The result of a query in pieces, ordered by its columns session_no and seq.

    The next piece is made while one is in use.

    Args:
        connection: of its own; not to be used until the last piece was taken.
        query: rows that DuckDB finds in the order of the files.

    Raises:
        OutOfOrderError: rows are further out of place than a join puts them.
    """
    settings = connection.cursor()
    settings.execute("SET threads = 1")
    try:
        yield from _sorted_nearby(_ahead(connection.sql(query).to_arrow_reader(_BATCH)))
    finally:
        settings.execute("RESET threads")
        connection.close()


def _ahead(batches: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, batches, None)
        while (batch := coming.result()) is not None:
            coming = pool.submit(next, batches, None)
            yield batch


def _sorted_nearby(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.Table]:
    held: list[pa.RecordBatch] = []
    last = np.zeros(1, np.uint32), np.zeros(1, np.uint64)
    for batch in batches:
        table = _sorted(pa.Table.from_batches([*held, batch]))
        ready = max(0, len(table) - _SLACK)
        held = table.slice(ready).to_batches()
        if ready:
            last = _checked(table.slice(0, ready), last)
            yield table.slice(0, ready)
    if held:
        _checked(pa.Table.from_batches(held), last)
        yield pa.Table.from_batches(held)


_Places = tuple[NDArray[np.uint32], NDArray[np.uint64]]


def _places(table: pa.Table) -> _Places:
    return table.column("session_no").to_numpy(), table.column("seq").to_numpy()


def _sorted(table: pa.Table) -> pa.Table:
    """The rows in order; those that already are cost nothing."""
    sessions, seqs = _places(table)
    if _are_ordered(sessions, seqs):
        return table.combine_chunks()
    return table.take(np.lexsort((seqs, sessions))).combine_chunks()


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
