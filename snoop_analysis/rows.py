# SPDX-License-Identifier: Apache-2.0
"""The events of all segments as one SQL query, with the columns and types of the format.

Writers differ: a column may be missing, of another width, or be one this version does not know.
"""

from collections.abc import Iterable, Sequence
from typing import Final

import pyarrow as pa

from snoop_analysis.columns import (
    holds_bytes,
    is_binary,
    is_fraction,
    is_integer,
    is_time,
    value_type,
)
from snoop_analysis.segments import Segment
from snoop_analysis.sqltext import identifier, literal, no_glob
from snoop_format.schema import EVENTS, PATH_BYTES
from snoop_format.summary import SUMMARY

# Up to which a type holds every whole number; decimals hold all.
_EXACT_TO: Final = {"halffloat": 1 << 11, "float": 1 << 24, "double": 1 << 53}
_EVERY: Final = 1 << 64
_SQL_TYPES: Final = {
    "uint64": "UBIGINT",
    "uint32": "UINTEGER",
    "int32": "INTEGER",
    "string": "VARCHAR",
    "binary": "BLOB",
    "timestamp[us, tz=UTC]": "TIMESTAMPTZ",
}


def segment_rows(
    session_no: int, segments: Iterable[Segment], position: int = 0, before: int = 0
) -> list[str]:
    """Queries for the rows of the segments of a session; sealed ones of one kind are one query.

    Args:
        session_no: of the session.
        segments: some of them, in order, none between them left out.
        position: pass over segments that end before this seq.
        before: rows of the session before these segments.
    """
    kinds: dict[tuple[str, str], list[Segment]] = {}
    opened: list[str] = []
    for segment in segments:
        place = f"{before} + {_row_number(segment)}"
        before += segment.rows
        if not segment.rows or (segment.last_seq is not None and segment.last_seq < position):
            continue
        columns = _columns(session_no, segment, place)
        if segment.unsealed is None:
            kinds.setdefault((columns, _kind(segment)), []).append(segment)
        else:
            opened.append(f"SELECT {columns} FROM {open_table(session_no, segment)}")
    return [
        f"SELECT {columns} FROM {_parquet(alike)}" for (columns, _), alike in kinds.items()
    ] + opened


def consecutive_rows(session_no: int, segments: Iterable[Segment]) -> str:
    """The query for whether seq grows by one from row to row in each of some segments.

    Their seq has to be of integers, and none of them null.
    """
    kinds: dict[str, list[Segment]] = {}
    for segment in segments:
        own = open_table(session_no, segment) if segment.unsealed else _kind(segment)
        kinds.setdefault(own, []).append(segment)
    tests = []
    for kind, alike in kinds.items():
        sealed = alike[0].unsealed is None
        less = f"{_named(alike[0], 'seq')}::HUGEINT - {_row_number(alike[0])}"
        source = f"{_parquet(alike)} GROUP BY file_index" if sealed else kind
        tests.append(f"SELECT min({less}) = max({less}) AS consecutive FROM {source}")
    return f"SELECT bool_and(consecutive) FROM ({' UNION ALL '.join(tests)})"


def open_table(session_no: int, segment: Segment) -> str:
    """Name of the table that holds the events of an open segment; columns as ``_named`` has it."""
    return f"main.open_{session_no}_{segment.number}"


def summary_table(session_no: int) -> str:
    """Name of the table that holds the summary of a session; columns as ``summary_rows``."""
    return f"main.summary_{session_no}"


def summary_rows(session_no: int, summary: Segment) -> str:
    """The query for the rows of a summary in its file, with the columns of ``SUMMARY``."""
    columns = ", ".join(_typed(_source(summary, field), field) for field in SUMMARY)
    return f"SELECT {session_no}::UINTEGER AS session_no, {columns} FROM {_parquet([summary])}"


def no_rows(format: pa.Schema = EVENTS) -> str:
    """The query for a capture without events, or without summaries."""
    columns = ", ".join(_typed("NULL", field) for field in format)
    return f"SELECT 0::UINTEGER AS session_no, {columns} WHERE FALSE"


def _row_number(segment: Segment) -> str:
    """What the queries call the number of a row in its segment, from 0."""
    return "file_row_number" if segment.unsealed is None else "rowid"


def _kind(segment: Segment) -> str:
    """What is the same for segments that one query can read."""
    return str(segment.columns.to_string(show_schema_metadata=False))


def _parquet(alike: Sequence[Segment]) -> str:
    """What is in sealed segments that have the same columns.

    The columns are named by their places: names may differ in case alone, which DuckDB takes for
    the same, and one that is called file_row_number would hide the number of the row.
    """
    paths = ", ".join(literal(no_glob(str(one.path))) for one in alike)
    names = ", ".join(identifier(str(place)) for place in range(len(alike[0].columns)))
    return f"read_parquet([{paths}], hive_partitioning = false) AS found({names})"


def _columns(session_no: int, segment: Segment, place: str) -> str:
    """The columns of the format; ``place`` is a row's place in the session, where none is given."""
    columns = [f"{session_no}::UINTEGER AS session_no"]
    for field in EVENTS:
        source = _source(segment, field)
        if field.name == "seq" and segment.first_seq is None:
            source = f"coalesce(not_negative({source}), {place})"
        columns.append(_typed(source, field))
    return ", ".join(columns)


def _typed(source: str, wanted: pa.Field) -> str:
    return f"{source}::{_SQL_TYPES[str(value_type(wanted.type))]} AS {wanted.name}"


def _source(segment: Segment, wanted: pa.Field) -> str:
    """The SQL for column ``wanted`` of a segment, but for a cast.

    A writer may give a path as bytes alone, in either column: then it is in both.
    """
    found = segment.columns
    text = wanted.name.removesuffix("_bytes")
    if wanted.name in PATH_BYTES and holds_bytes(found, text):
        return _named(segment, text)
    if wanted.name in segment.null:
        return "NULL"
    rendering = _rendering(segment, wanted.name)
    if wanted.name not in found.names:
        return rendering or "NULL"
    have = value_type(found.field(wanted.name).type)
    name = _named(segment, wanted.name)
    if is_binary(have) and not is_binary(wanted.type):
        return f"exact_text(NULL, {name}::BLOB)"
    if is_fraction(have) and is_integer(wanted.type):
        return f"whole({name}, {_EXACT_TO.get(str(have), _EVERY)})"
    if is_integer(have) and is_time(wanted.type):
        return f"time_of({name})"
    if is_time(have) and not segment.has_calendar_times:
        return f"calendar_time({name}::{'TIMESTAMPTZ' if have.tz else 'TIMESTAMP'})"
    if rendering:
        return f"coalesce({name}, {rendering})"
    return name


def _rendering(segment: Segment, column: str) -> str | None:
    """The SQL for a column of text from that of its exact bytes; null if there is none."""
    exact = f"{column}_bytes"
    if exact not in PATH_BYTES or exact in segment.null or exact not in segment.columns.names:
        return None
    return f"exact_text(NULL, {_named(segment, exact)}::BLOB)"


def _named(segment: Segment, column: str) -> str:
    """What the queries call a column of a segment."""
    return identifier(str(segment.columns.names.index(column)))
