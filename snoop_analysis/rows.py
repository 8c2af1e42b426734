# SPDX-License-Identifier: Apache-2.0
"""The events of all segments as one SQL query, with the columns and types of the format.

Writers differ: a column may be missing, of another width, or be one this version does not know.
"""

from collections.abc import Iterable
from typing import Final

import pyarrow as pa

from snoop_analysis.errors import CaptureError
from snoop_analysis.sessions import Segment
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
    """Queries for the rows of the sealed segments of a session, one per kind of file.

    Raises:
        CaptureError: a column holds something else than the format says.
    """
    kinds: dict[tuple[str, str], list[str]] = {}
    before = 0
    for segment in segments:
        offset = before if segment.first_seq is None else _NO_SEQ
        columns = _columns(session_no, segment.columns, offset, str(segment.path))
        kind = columns, segment.columns.to_string(show_schema_metadata=False)
        kinds.setdefault(kind, []).append(literal(_no_glob(str(segment.path))))
        before += segment.rows
    return [
        f"SELECT {columns} FROM read_parquet([{', '.join(paths)}], hive_partitioning = false)"
        for (columns, _), paths in kinds.items()
    ]


def _no_glob(path: str) -> str:
    """``path`` as a pattern that matches it alone: read_parquet takes patterns."""
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in path)


def table_rows(session_no: int, table: str, segment: Segment) -> str:
    """The query for the rows of a DuckDB table that holds an open segment."""
    return (
        f"SELECT {_columns(session_no, segment.columns, _NO_SEQ, str(segment.path))} FROM {table}"
    )


def no_rows() -> str:
    """The query for a capture without events."""
    return f"SELECT {_columns(0, pa.schema([]), _NO_SEQ, '')} WHERE FALSE"


def _columns(session_no: int, found: pa.Schema, offset: int, where: str) -> str:
    columns = [f"{session_no}::UINTEGER AS session_no"]
    for field in EVENTS:
        source = _source(found, field, where)
        if field.name == "seq" and offset != _NO_SEQ:
            source = f"coalesce({source}, {offset} + file_row_number)"
        columns.append(f"{source}::{_sql_type(field.type)} AS {field.name}")
    return ", ".join(columns)


def _source(found: pa.Schema, wanted: pa.Field, where: str) -> str:
    """The SQL for column ``wanted`` of a file with columns ``found``, but for a cast.

    A writer may give a path as bytes alone: then they are what ``path_bytes`` has to hold.
    """
    text = wanted.name.removesuffix("_bytes")
    if wanted.name in _BYTES and text in found.names and _is_binary(found.field(text).type):
        return str(text)
    if wanted.name not in found.names:
        return "NULL"
    have = _value_type(found.field(wanted.name).type)
    if not _fits(have, _value_type(wanted.type)):
        raise CaptureError(
            f"{where} is not a capture this version can read: "
            f"its column {wanted.name} is of type {have}"
        )
    if _is_binary(have) and not _is_binary(wanted.type):
        return f"exact_text(NULL, {wanted.name}::BLOB)"
    if _is_integer(have) and _is_time(wanted.type):
        return f"make_timestamptz({wanted.name}::BIGINT)"
    return str(wanted.name)


def _value_type(found: pa.DataType) -> pa.DataType:
    return found.value_type if pa.types.is_dictionary(found) else found


def _is_binary(found: pa.DataType) -> bool:
    return str(found).startswith(("binary", "large_binary", "fixed_size_binary"))


def _is_text(found: pa.DataType) -> bool:
    return str(found).startswith(("string", "large_string"))


def _is_integer(found: pa.DataType) -> bool:
    return str(found).startswith(("int", "uint"))


def _is_time(found: pa.DataType) -> bool:
    return str(found).startswith("timestamp")


def _fits(have: pa.DataType, wanted: pa.DataType) -> bool:
    if str(have) == "null":
        return True
    if _is_integer(wanted):
        return _is_integer(have)
    if _is_time(wanted):
        return _is_time(have) or _is_integer(have)
    return _is_text(have) or _is_binary(have)


def _sql_type(wanted: pa.DataType) -> str:
    return _SQL_TYPES[str(_value_type(wanted))]
