# SPDX-License-Identifier: Apache-2.0
"""The events of all segments as one SQL query, with the columns and types of the format.

Writers differ: a column may be missing, of another width, or be one this version does not know.
"""

from collections.abc import Iterable
from typing import Final

import pyarrow as pa

from snoop_analysis.columns import is_binary, is_integer, is_time, value_type
from snoop_analysis.segments import Segment
from snoop_analysis.sqltext import literal
from snoop_format.schema import EVENTS

_BYTES: Final = ("path_bytes", "base_bytes")
_NO_SEQ: Final = -1
_SQL_TYPES: Final = {
    "uint64": "UBIGINT",
    "uint32": "UINTEGER",
    "int32": "INTEGER",
    "string": "VARCHAR",
    "binary": "BLOB",
    "timestamp[us, tz=UTC]": "TIMESTAMPTZ",
}


def sealed_rows(session_no: int, segments: Iterable[Segment]) -> list[str]:
    """Queries for the rows of the sealed segments of a session, one per kind of file."""
    kinds: dict[tuple[str, str], list[str]] = {}
    before = 0
    for segment in segments:
        offset = before if segment.first_seq is None else _NO_SEQ
        columns = _columns(session_no, segment.columns, offset)
        kind = columns, segment.columns.to_string(show_schema_metadata=False)
        kinds.setdefault(kind, []).append(literal(no_glob(str(segment.path))))
        before += segment.rows
    return [
        f"SELECT {columns} FROM read_parquet([{', '.join(paths)}], hive_partitioning = false)"
        for (columns, _), paths in kinds.items()
    ]


def no_glob(path: str) -> str:
    """``path`` as a pattern that matches it alone: read_parquet takes patterns."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in path)


def table_rows(session_no: int, table: str, segment: Segment) -> str:
    """The query for the rows of a DuckDB table that holds an open segment."""
    return f"SELECT {_columns(session_no, segment.columns, _NO_SEQ)} FROM {table}"


def no_rows() -> str:
    """The query for a capture without events."""
    return f"SELECT {_columns(0, pa.schema([]), _NO_SEQ)} WHERE FALSE"


def _columns(session_no: int, found: pa.Schema, offset: int) -> str:
    columns = [f"{session_no}::UINTEGER AS session_no"]
    for field in EVENTS:
        source = _source(found, field)
        if field.name == "seq" and offset != _NO_SEQ:
            source = f"coalesce({source}, {offset} + file_row_number)"
        columns.append(f"{source}::{_sql_type(field.type)} AS {field.name}")
    return ", ".join(columns)


def _source(found: pa.Schema, wanted: pa.Field) -> str:
    """The SQL for column ``wanted`` of a file with columns ``found``, but for a cast.

    A writer may give a path as bytes alone: then they are what ``path_bytes`` has to hold.
    """
    text = wanted.name.removesuffix("_bytes")
    if wanted.name in _BYTES and text in found.names and is_binary(found.field(text).type):
        return str(text)
    if wanted.name not in found.names:
        return "NULL"
    have = value_type(found.field(wanted.name).type)
    if is_binary(have) and not is_binary(wanted.type):
        return f"exact_text(NULL, {wanted.name}::BLOB)"
    if is_integer(have) and is_time(wanted.type):
        return f"make_timestamptz({wanted.name}::BIGINT)"
    return str(wanted.name)


def _sql_type(wanted: pa.DataType) -> str:
    return _SQL_TYPES[str(value_type(wanted))]
