# SPDX-License-Identifier: Apache-2.0
"""From the events of a segment to its distinct accesses, for the summary of what is removed."""

from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from snoop_format.schema import EVENTS
from snoop_format.summary import KEYS, SUMMARY

_READ: Final = pa.schema([*(SUMMARY.field(name) for name in KEYS), EVENTS.field("ts")])


def fold(summary: pa.Table, segment: Path) -> pa.Table:
    """A summary to which the accesses of a sealed segment are added.

    Args:
        summary: of schema ``SUMMARY``; so is the result.
        segment: the file.

    Raises:
        OSError, pa.ArrowException: the segment cannot be read.
    """
    added: list[pa.Table] = []
    # Not read ahead: the thread that does so may outlive the interpreter, and aborts it.
    with pq.ParquetFile(segment, pre_buffer=False) as parquet:
        for group in range(parquet.num_row_groups):
            columns = [name for name in _READ.names if name in parquet.schema_arrow.names]
            added.append(_accesses(parquet.read_row_group(group, columns, use_threads=False)))
            if sum(map(len, added)) >= len(summary):  # so that it costs little, and little memory
                summary, added = _distinct(pa.concat_tables([summary, *added])), []
    return _distinct(pa.concat_tables([summary, *added])) if added else summary


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
    known = with_all_columns(events, _READ)
    columns = {name: known[name] for name in KEYS}
    succeeded = pc.fill_null(pc.greater_equal(columns["ret"], 0), False)
    columns["ret"] = pc.if_else(succeeded, pa.scalar(0, pa.int32()), columns["ret"])
    with_exe = pc.is_valid(columns["exe"])
    columns["comm"] = pc.if_else(with_exe, pa.scalar(None, pa.string()), columns["comm"])
    once = pa.array(np.ones(len(events), np.uint64))
    times = [known["ts"], known["ts"]]
    return _distinct(pa.table([*columns.values(), once, *times], schema=SUMMARY))


def _distinct(rows: pa.Table) -> pa.Table:
    """Rows of schema ``SUMMARY`` with the same key as one."""
    sums = [("count", "sum"), ("first_seen", "min"), ("last_seen", "max")]
    grouped = rows.group_by(list(KEYS), use_threads=False).aggregate(sums)
    names = [*KEYS, *(f"{column}_{how}" for column, how in sums)]
    return grouped.select(names).rename_columns(SUMMARY.names).cast(SUMMARY)
