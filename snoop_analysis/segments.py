# SPDX-License-Identifier: Apache-2.0
"""What a segment file says about itself: its columns, its rows, its place in the session."""

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from snoop_analysis.columns import misfit
from snoop_analysis.errors import CaptureError
from snoop_format.errors import FormatError
from snoop_format.segment import OpenSegment, read_open
from snoop_format.session import sealed_name


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment file: its number in the session, its columns and its rows.

    first_seq and last_seq are null where the file does not say. Of a segment that is still being
    written, ``unsealed`` holds the events themselves.
    """

    number: int
    path: Path
    columns: pa.Schema
    rows: int
    first_seq: int | None
    last_seq: int | None
    unsealed: OpenSegment | None = None


def segment_file(number: int, path: Path, rows: int | None = None) -> Segment:
    """The segment in a file.

    Args:
        number: its number in the session.
        path: the file, sealed or open.
        rows: rows a sealed one ought to have, null if not known.

    Raises:
        CaptureError: it is no such file, not all of one, or not of a capture.
        FormatError: an open segment cannot be read.
    """
    sealed = path.with_name(sealed_name(number))
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
    has_seq = "seq" in columns.names
    return Segment(
        number=number,
        path=path,
        columns=columns,
        rows=unsealed.rows,
        first_seq=filled[0].column("seq")[0].as_py() if has_seq else None,
        last_seq=filled[-1].column("seq")[-1].as_py() if has_seq else None,
        unsealed=unsealed,
    )


def _sealed_segment(number: int, path: Path) -> Segment:
    try:
        footer = pq.read_metadata(path)
        columns = footer.schema.to_arrow_schema()
    except OSError as error:
        raise CaptureError(f"cannot read {path}: {error.strerror or error}") from error
    except (pa.ArrowException, ValueError) as error:
        size = path.stat().st_size
        what = "it is empty" if size == 0 else f"it is damaged or cut short ({error})"
        raise CaptureError(f"{path} is not a Parquet file: {what}") from error
    wrong = misfit(columns)
    if wrong:
        raise CaptureError(f"{path} is a Parquet file, but not of a capture: {wrong}")
    first, last = _seq_range(footer)
    return Segment(number, path, columns, footer.num_rows, first, last)


def _seq_range(footer: pq.FileMetaData) -> tuple[int | None, int | None]:
    """Least and greatest seq by the row groups' statistics; null where one has none."""
    names = [footer.schema.column(index).path for index in range(footer.num_columns)]
    if "seq" not in names or footer.num_rows == 0:
        return None, None
    index = names.index("seq")
    groups = (footer.row_group(group) for group in range(footer.num_row_groups))
    found = [group.column(index).statistics for group in groups if group.num_rows]
    if any(one is None or not one.has_min_max or one.null_count for one in found):
        return None, None
    return min(one.min for one in found), max(one.max for one in found)
