# SPDX-License-Identifier: Apache-2.0
"""Finding the sessions of a capture, and what their ``session.json`` and footers say."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from snoop_analysis.errors import CaptureError
from snoop_format import session as session_files
from snoop_format.errors import FormatError
from snoop_format.segment import OpenSegment, read_open


@dataclass(frozen=True, slots=True)
class Container:
    """A container as ``session.json`` lists it."""

    cgroup_id: int
    name: str
    cgroup_path: str
    image: str | None
    image_digest: str | None


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


@dataclass(frozen=True, slots=True)
class Session:
    """One run of a recorder. Times are null where unknown."""

    directory: Path
    session_id: str
    host: str
    boot_id: str | None
    pod_name: str | None
    namespace: str | None
    started_at: datetime | None
    ended_at: datetime | None
    containers: tuple[Container, ...]
    losses: Mapping[str, int]
    segments: tuple[Segment, ...]


def find_sessions(root: Path) -> list[Session]:
    """The sessions in ``root``: the directory itself, or the directories it holds.

    Raises:
        CaptureError: there is none, or one that cannot be read.
    """
    try:
        directories = _session_directories(root)
        sessions = [_session(directory) for directory in directories]
    except FormatError as error:
        raise CaptureError(str(error)) from error
    except OSError as error:
        raise CaptureError(f"cannot read {error.filename}: {error.strerror}") from error
    return sorted(sessions, key=_start)


def _start(session: Session) -> tuple[datetime, str]:
    return session.started_at or datetime.min.replace(tzinfo=UTC), session.directory.name


def _session_directories(root: Path) -> list[Path]:
    if not root.exists():
        raise CaptureError(f"there is no capture at {root}: no such directory")
    if not root.is_dir():
        raise CaptureError(
            f"{root} is a file; a capture is a directory that holds {session_files.SESSION_FILE}"
        )
    if _looks_like_session(root):
        return [root]
    found = [entry for entry in sorted(root.iterdir()) if _looks_like_session(entry)]
    if not found:
        raise CaptureError(
            f"{root} holds no capture: neither it nor a directory in it "
            f"has a {session_files.SESSION_FILE}"
        )
    return found


def _looks_like_session(directory: Path) -> bool:
    """Also true of a session that lost its session.json, so that it is not passed over."""
    return directory.is_dir() and (
        (directory / session_files.SESSION_FILE).exists()
        or next(session_files.segments(directory), None) is not None
    )


def _session(directory: Path) -> Session:
    said = session_files.read_session(directory)
    path = directory / session_files.SESSION_FILE
    return Session(
        directory=directory,
        session_id=_text(said.get("session_id")) or directory.name,
        host=_text(said.get("host")) or "",
        boot_id=_text(said.get("boot_id")),
        pod_name=_text(said.get("pod_name") or said.get("pod")),
        namespace=_text(said.get("namespace")),
        started_at=_time(said.get("started_at")),
        ended_at=_time(said.get("ended_at")),
        containers=tuple(_containers(said.get("containers") or [], path)),
        losses=_losses(said.get("losses") or {}, path),
        segments=tuple(
            _segment(number, file) for number, file in session_files.segments(directory)
        ),
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _time(value: object) -> datetime | None:
    """An RFC 3339 time; null where the value is none (the report then says less)."""
    try:
        time = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None
    return time.replace(tzinfo=UTC) if time and time.tzinfo is None else time


def _containers(said: Any, path: Path) -> Iterator[Container]:
    """The containers of a session, each cgroup once."""
    if not isinstance(said, list):
        raise CaptureError(f"{path} is damaged: containers is not a list")
    known: set[int] = set()
    for entry in said:
        cgroup_id = entry.get("cgroup_id") if isinstance(entry, dict) else None
        if not isinstance(cgroup_id, int) or not 0 <= cgroup_id < 1 << 64:
            raise CaptureError(f"{path} is damaged: a container has no usable cgroup_id")
        if cgroup_id in known:
            continue
        known.add(cgroup_id)
        yield Container(
            cgroup_id=cgroup_id,
            name=_text(entry.get("name")) or "",
            cgroup_path=_text(entry.get("cgroup_path")) or "",
            image=_text(entry.get("image")),
            image_digest=_text(entry.get("image_digest")),
        )


def _losses(said: Any, path: Path) -> dict[str, int]:
    if not isinstance(said, dict) or not all(
        isinstance(count, int) and 0 <= count < 1 << 63 for count in said.values()
    ):
        raise CaptureError(f"{path} is damaged: losses is not a table of counts by cause")
    return dict(said)


def _segment(number: int, path: Path) -> Segment:
    sealed = path.with_name(session_files.sealed_name(number))
    if path != sealed:
        try:
            return _open_segment(number, path)
        except FormatError:
            if not sealed.exists():  # else the recorder has sealed it meanwhile
                raise
    return sealed_segment(number, sealed)


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


def sealed_segment(number: int, path: Path) -> Segment:
    """What the footer of a sealed segment says.

    Raises:
        CaptureError: it is no Parquet file, not all of one, or not of a capture.
    """
    try:
        footer = pq.read_metadata(path)
        columns = footer.schema.to_arrow_schema()
    except OSError as error:
        raise CaptureError(f"cannot read {path}: {error.strerror or error}") from error
    except pa.ArrowException as error:
        size = path.stat().st_size
        what = "it is empty" if size == 0 else f"it is damaged or cut short ({error})"
        raise CaptureError(f"{path} is not a Parquet file: {what}") from error
    if not {"path", "path_bytes"} & set(columns.names):
        raise CaptureError(f"{path} is a Parquet file, but not of a capture: it has no column path")
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
