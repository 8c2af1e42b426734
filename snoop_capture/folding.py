# SPDX-License-Identifier: Apache-2.0
"""From the events of a segment to its distinct accesses, for the summary of what is removed."""

from pathlib import Path
from typing import Final, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from snoop_format.schema import EVENTS
from snoop_format.summary import KEYS, SUMMARY

_READ: Final = pa.schema([*(SUMMARY.field(name) for name in KEYS), EVENTS.field("ts")])
_WORDS: Final = [field.name for field in _READ if field.type == pa.string()]
_NEVER: Final = (1 << 63) - 1  # as a time
_LARGEST: Final = 1 << 62  # of the numbers that keys are told apart by

_Indices: TypeAlias = NDArray[np.int64]


def fold(summary: pa.Table, segment: Path) -> pa.Table:
    """A summary to which the accesses of a sealed segment are added.

    Args:
        summary: of schema ``SUMMARY``; so is the result.
        segment: the file.

    Raises:
        OSError, pa.ArrowException: the segment cannot be read.
    """
    added: list[pa.Table] = []
    known = pq.read_schema(segment)
    words = [n for n in _WORDS if n in known.names and known.field(n).type == pa.string()]
    # Not read ahead: the thread that does so may outlive the interpreter, and aborts it.
    with pq.ParquetFile(segment, pre_buffer=False, read_dictionary=words) as parquet:
        columns = [name for name in _READ.names if name in known.names]
        for group in range(parquet.num_row_groups):
            events = pa.table({name: _column(parquet, group, name) for name in columns})
            added.append(_accesses(events))
            if sum(map(len, added)) >= len(summary):  # so that it costs little, and little memory
                summary, added = _distinct(pa.concat_tables([summary, *added])), []
    return _distinct(pa.concat_tables([summary, *added])) if added else summary


def _column(parquet: pq.ParquetFile, group: int, name: str) -> pa.ChunkedArray:
    """One at a time takes a third of the memory that all at once do."""
    return parquet.read_row_group(group, [name], use_threads=False).column(0)


def with_all_columns(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """The columns of a schema; null are those that the writer of the table did not have.

    Raises:
        pa.ArrowException: a column does not go into its type.
    """
    columns = [
        table[field.name].cast(field.type)
        if field.name in table.column_names
        else pa.nulls(len(table), field.type)
        for field in schema
    ]
    return pa.table(columns, schema=schema)


def _accesses(events: pa.Table) -> pa.Table:
    """The distinct accesses among events."""
    as_read = [_as_read(events, field) for field in _READ]
    known = with_all_columns(events, pa.schema(as_read))
    columns = {name: known[name] for name in KEYS}
    succeeded = pc.fill_null(pc.greater_equal(columns["ret"], 0), False)
    columns["ret"] = pc.if_else(succeeded, pa.scalar(0, pa.int32()), columns["ret"])
    with_exe = pc.is_valid(columns["exe"])
    comm = columns["comm"].cast(pa.string())
    columns["comm"] = pc.if_else(with_exe, pa.scalar(None, pa.string()), comm)
    once = pa.array(np.ones(len(events), np.uint64))
    times = {"first_seen": known["ts"], "last_seen": known["ts"]}
    return _distinct(pa.table({**columns, "count": once, **times}))


def _as_read(events: pa.Table, field: pa.Field) -> pa.Field:
    """The field, of words that are numbered already if they are."""
    index = events.schema.get_field_index(field.name)
    numbered = index >= 0 and pa.types.is_dictionary(events.schema.field(index).type)
    return field.with_type(pa.dictionary(pa.int32(), field.type)) if numbered else field


def _distinct(rows: pa.Table) -> pa.Table:
    """Rows with the columns of ``SUMMARY`` as one where the key is the same; of that schema."""
    numbers = _key_numbers(rows)
    order = np.argsort(numbers, kind="stable")
    starts = np.flatnonzero(np.diff(numbers[order], prepend=-1))
    keys = rows.select(KEYS).take(order[starts])
    counts = np.add.reduceat(rows["count"].to_numpy()[order], starts)
    first = _reduced(rows["first_seen"], order, starts, np.minimum, _NEVER)
    last = _reduced(rows["last_seen"], order, starts, np.maximum, -_NEVER)
    return pa.table([*keys.columns, counts, first, last], names=SUMMARY.names).cast(SUMMARY)


def _reduced(
    times: pa.ChunkedArray, order: _Indices, starts: _Indices, choose: np.ufunc, none: int
) -> pa.Array:
    """The first or last of the times that stand together in ``order``; null where none is."""
    values = pc.fill_null(times.cast(pa.int64()), none).to_numpy()
    found = choose.reduceat(values[order], starts)
    return pa.array(found, mask=found == none).cast(times.type)


def _key_numbers(rows: pa.Table) -> _Indices:
    """A number for each row, the same for rows with the same key.

    Grouping by all columns of a key takes several times the memory and the time.
    """
    numbers, end = np.zeros(len(rows), np.int64), 1
    for name in KEYS:
        if rows[name].null_count == len(rows):
            continue
        values = rows[name].unify_dictionaries().combine_chunks().dictionary_encode()
        indices, size = values.indices, len(values.dictionary) + 1
        if end * size > _LARGEST:
            known = pa.array(numbers).dictionary_encode()
            numbers, end = known.indices.to_numpy().astype(np.int64), len(known.dictionary)
        numbers = numbers * size + pc.fill_null(indices, size - 1).to_numpy()
        end *= size
    return numbers
