# SPDX-License-Identifier: Apache-2.0
"""What a segment file says about itself: its columns, its rows, its place in the session."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from snoop_analysis.columns import is_fraction, is_integer, is_time, misfit, value_type
from snoop_analysis.errors import CaptureError, first_line
from snoop_analysis.sqltext import literal, no_glob
from snoop_format.errors import FormatError
from snoop_format.schema import EVENTS, PATH_BYTES
from snoop_format.segment import OpenSegment, read_open
from snoop_format.session import check_regular
from snoop_format.summary import SUMMARY

_PER_SECOND: Final = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
# The years 1 to 9999, in seconds since 1970.
_CALENDAR: Final = (-62_135_596_800, 253_402_300_799)
_INFINITE: Final = (1 << 63) - 1  # what DuckDB takes for a time without end, of whatever unit


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment file: its number in the session, its columns and its rows.

    first_seq and last_seq are the least and the greatest, null where the file does not say. Of a
    segment that is still being written, ``unsealed`` holds the events themselves, and ``columns``
    are those of the format. ``has_calendar_times`` is true where the file says that all its times
    are in the years 1 to 9999, and ``is_dated`` where it says that all its events have a time;
    ``null`` are the columns of exact bytes of which it says that they
    hold nothing else.
    """

    number: int
    path: Path
    columns: pa.Schema
    rows: int
    first_seq: int | None
    last_seq: int | None
    unsealed: OpenSegment | None = None
    has_calendar_times: bool = False
    is_dated: bool = False
    null: frozenset[str] = frozenset()

    @property
    def torn_bytes(self) -> int:
        """Of a write that was under way when the recorder ended; 0 of what is damaged otherwise."""
        return self.unsealed.torn_bytes if self.unsealed and not self.unsealed.damaged else 0

    @property
    def damage(self) -> str | None:
        """A sentence, where only the first events of the segment can be read; null else."""
        if self.unsealed is None or not self.unsealed.damaged:
            return None
        return (
            f"{self.path} is damaged after {self.rows} events: {self.unsealed.torn_bytes} bytes "
            "behind them cannot be read, more than one write"
        )

    @property
    def dense_range(self) -> tuple[int, int] | None:
        """first_seq and last_seq, where every number between them is an event's; null else."""
        if self.first_seq is None or self.last_seq is None or not self.rows:
            return None
        dense = self.rows == self.last_seq - self.first_seq + 1
        return (self.first_seq, self.last_seq) if dense else None


def segment_file(number: int, path: Path, rows: int | None = None) -> Segment:
    """The segment in a file.

    Args:
        number: its number in the session.
        path: the file, sealed or open.
        rows: rows a sealed one ought to have, null if not known.

    Raises:
        CaptureError: it is no such file, not all of one, or not of a capture.
        FormatError: it is no regular file, or an open segment that cannot be read.
    """
    sealed = path.with_suffix(".parquet")
    if path != sealed:
        try:
            return _open_segment(number, path)
        except FormatError:
            if not sealed.exists():  # else the recorder has sealed it meanwhile
                raise
    segment = _sealed_segment(number, sealed)
    if rows is not None and rows != segment.rows:
        raise CaptureError(
            f"{sealed} is damaged: it holds {segment.rows} events where session.json says {rows}"
        )
    return segment


def _open_segment(number: int, path: Path) -> Segment:
    unsealed = read_open(path)
    filled = [batch for batch in unsealed.batches if batch.num_rows]
    columns = filled[0].schema if filled else pa.schema([])
    wrong = misfit(columns) if filled else None
    if wrong:
        raise CaptureError(f"{path} is an Arrow stream, but not of a capture: {wrong}")
    first, last = _written_range(path, filled)
    known = [name for name in columns.names if name in EVENTS.names]
    unsealed.batches = [batch.select(known) for batch in filled]
    return Segment(
        number=number,
        path=path,
        columns=pa.schema([columns.field(name) for name in known]),
        rows=unsealed.rows,
        first_seq=first,
        last_seq=last,
        unsealed=unsealed,
        is_dated=all("ts" in known and not batch.column("ts").null_count for batch in filled),
    )


def _written_range(path: Path, batches: Sequence[pa.RecordBatch]) -> tuple[int | None, int | None]:
    """Least and greatest seq; null where an event has none, or not only integers can be in it.

    Raises:
        CaptureError: one is negative.
    """
    if not batches or "seq" not in batches[0].schema.names:
        return None, None
    seq = pa.chunked_array([batch.column("seq") for batch in batches])
    kind = value_type(seq.type)
    bounds = pc.min_max(seq.cast(pa.float64() if is_fraction(kind) else kind)).as_py()
    _refuse_negative(path, bounds["min"])
    if seq.null_count or not is_integer(seq.type):
        return None, None
    return bounds["min"], bounds["max"]


def _refuse_negative(path: Path, least: object) -> None:
    """A negative seq is no place in a session; taken for one, it would be passed over.

    Raises:
        CaptureError: the least seq of a file is negative.
    """
    if isinstance(least, int | float | Decimal) and least < 0:
        raise CaptureError(f"{path} is damaged: an event has the seq {least}, which is negative")


def _sealed_segment(number: int, path: Path) -> Segment:
    file = _parquet_file(path)
    wrong = misfit(file.columns)
    if wrong:
        raise CaptureError(f"{path} is a Parquet file, but not of a capture: {wrong}")
    _refuse_negative(path, min(_least(file, "seq"), default=None))
    first, last = _seq_range(file)
    return Segment(
        number=number,
        path=path,
        columns=file.columns,
        rows=file.rows,
        first_seq=first,
        last_seq=last,
        has_calendar_times=_has_calendar_times(file),
        is_dated=_has_all(file, "ts"),
        null=frozenset(name for name in PATH_BYTES if _is_null(file, name)),
    )


def summary_file(path: Path) -> Segment:
    """The summary of a session's removed segments, which has the columns of ``SUMMARY``.

    Raises:
        CaptureError: it is none, or cannot be read.
        FormatError: it is no regular file.
    """
    file = _parquet_file(path)
    wrong = misfit(file.columns, SUMMARY)
    if wrong is None and "count" not in file.columns.names:
        wrong = "it has no column count"
    if wrong:
        raise CaptureError(f"{path} is a Parquet file, but no summary: {wrong}")
    return Segment(0, path, file.columns, file.rows, None, None)


@dataclass(frozen=True, slots=True)
class _ParquetFile:
    """What a Parquet file has. ``footer`` is null where Arrow does not know all its types."""

    columns: pa.Schema
    rows: int
    footer: pq.FileMetaData | None


def _parquet_file(path: Path) -> _ParquetFile:
    """What is in a Parquet file.

    Raises:
        CaptureError: it is none, or cannot be read.
        FormatError: it is no regular file.
    """
    check_regular(path)
    try:
        footer = pq.read_metadata(path)
        return _ParquetFile(footer.schema.to_arrow_schema(), footer.num_rows, footer)
    except pa.ArrowNotImplementedError:
        return _as_duckdb_reads(path)
    except OSError as error:
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise CaptureError(f"cannot read {path}: {reason}") from error
    except (pa.ArrowException, ValueError) as error:
        size = path.stat().st_size
        what = "it is empty" if size == 0 else f"it is damaged or cut short ({error})"
        raise CaptureError(f"{path} is not a Parquet file: {what}") from error


def _as_duckdb_reads(path: Path) -> _ParquetFile:
    """What DuckDB finds in a Parquet file.

    Raises:
        CaptureError: DuckDB cannot read it.
    """
    source = f"read_parquet({literal(no_glob(str(path)))}, hive_partitioning = false)"
    try:
        with duckdb.connect() as database:
            columns = database.sql(f"FROM {source} LIMIT 0").to_arrow_table().schema
            ((rows,),) = database.sql(f"SELECT count(*) FROM {source}").fetchall()
            return _ParquetFile(columns, rows, None)
    except duckdb.Error as error:
        raise CaptureError(f"{path} is damaged: {first_line(error)}") from error


def _statistics(file: _ParquetFile, name: str) -> list[pq.Statistics]:
    """What the row groups say of a column; nothing where one says nothing."""
    footer = file.footer
    if footer is None or name not in file.columns.names:
        return []
    names = [footer.schema.column(index).path for index in range(footer.num_columns)]
    index = names.index(name)
    groups = (footer.row_group(group) for group in range(footer.num_row_groups))
    found = [group.column(index).statistics for group in groups if group.num_rows]
    return found if all(found) else []


def _is_null(file: _ParquetFile, name: str) -> bool:
    """Whether a column holds nothing but nulls."""
    found = _statistics(file, name)
    return all(one.has_null_count for one in found) and file.rows == sum(
        one.null_count for one in found
    )


def _has_all(file: _ParquetFile, name: str) -> bool:
    """Whether the file says that every row has a value in a column."""
    found = _statistics(file, name)
    said = all(one.has_null_count and not one.null_count for one in found)
    return not file.rows or (bool(found) and said)


def _least(file: _ParquetFile, name: str) -> list[Any]:
    """The least value of a column in each row group, as far as these say."""
    return [one.min for one in _statistics(file, name) if one.has_min_max]


def _bounded(file: _ParquetFile, name: str) -> list[pq.Statistics]:
    """What the row groups say of a column; nothing where one has no bounds, or nulls."""
    found = _statistics(file, name)
    return found if all(one.has_min_max and not one.null_count for one in found) else []


def _seq_range(file: _ParquetFile) -> tuple[int | None, int | None]:
    """Least and greatest seq; null where the file does not say."""
    bounds = [(one.min, one.max) for one in _bounded(file, "seq")]
    if not bounds or not isinstance(bounds[0][0], int):
        return None, None
    return min(least for least, _ in bounds), max(greatest for _, greatest in bounds)


def _has_calendar_times(file: _ParquetFile) -> bool:
    if "ts" not in file.columns.names or not is_time(file.columns.field("ts").type):
        return False
    unit = _PER_SECOND[file.columns.field("ts").type.unit]
    first, last = (second * unit for second in _CALENDAR)
    bounds = [(one.min_raw, one.max_raw) for one in _bounded(file, "ts")]
    return bool(bounds) and all(
        isinstance(least, int)
        and max(first, 1 - _INFINITE) <= least
        and greatest <= min(last, _INFINITE - 1)
        for least, greatest in bounds
    )
