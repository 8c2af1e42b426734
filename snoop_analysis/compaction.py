# SPDX-License-Identifier: Apache-2.0
"""Merging the small segments of a session into larger ones."""

import ctypes
import os
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from snoop_analysis.capture import Capture
from snoop_analysis.columns import holds_bytes, value_type
from snoop_analysis.errors import CaptureError, first_line
from snoop_analysis.segments import segment_file
from snoop_analysis.sessions import COMPACTING, Finder, Session
from snoop_analysis.sqltext import statement
from snoop_format.locks import SessionLock
from snoop_format.schema import PATH_BYTES
from snoop_format.session import (
    SESSION_FILE,
    open_name,
    put_in_place,
    read_session,
    sealed_name,
    segment_entry,
    segments,
    write_session,
)

_ROW_GROUP: Final = 1 << 20
_AT_FDCWD: Final = -100
_RENAME_EXCHANGE: Final = 2  # renameat2(2)


def compact(paths: Sequence[str], rows: int) -> Iterator[str]:
    """Merge the segments of each session in ``paths``; a sentence for each session.

    Args:
        paths: captures.
        rows: events a new segment holds at most.

    Raises:
        CaptureError: there is no capture, or it is damaged, or it cannot be written, or another
            process changes it, or merged its events would read otherwise.
    """
    for session in Finder().sessions([Path(path) for path in paths]):
        yield _compact_session(session, rows)


def _compact_session(session: Session, rows: int) -> str:
    directory = session.directory
    reason = _reason_to_leave(session, rows)
    left_over = _has_ended(session) and _beside(directory).exists()
    if reason and not left_over:
        return _is_left(directory, reason)
    try:
        with SessionLock(directory):
            return _compact_locked(directory, rows)
    except BlockingIOError:
        raise CaptureError(
            f"{directory} is just being compacted by another process, or a recorder makes room in "
            "it: try again later"
        ) from None
    except (OSError, pa.ArrowException) as error:
        reason = (isinstance(error, OSError) and error.strerror) or first_line(error)
        raise CaptureError(f"cannot compact {directory}: {reason}") from error


def _compact_locked(directory: Path, rows: int) -> str:
    """Compact a session that nobody else changes, as it is now.

    Its lock is linked into the new directory like other files: it is one file in both, so it holds
    whichever of them has the session's name.
    """
    new = _beside(directory)
    shutil.rmtree(new, ignore_errors=True)
    (session,) = Finder().sessions([directory])
    reason = _reason_to_leave(session, rows)
    if reason:
        return _is_left(directory, reason)
    new.mkdir(mode=directory.stat().st_mode & 0o777)
    try:
        entries = _write(session, new, rows)
        for entry in _others(directory):
            os.link(entry, new / entry.name, follow_symlinks=False)
        write_session(new, read_session(directory) | {"segments": entries})
        _check_reads_the_same(directory, new)
        _exchange(new, directory)
    finally:
        shutil.rmtree(new, ignore_errors=True)
    return f"{directory}: {len(session.segments)} segments are now {len(entries)}"


def _beside(directory: Path) -> Path:
    """Where the new segments of a session are written."""
    return directory.with_name(directory.name + COMPACTING)


def _reason_to_leave(session: Session, rows: int) -> str | None:
    """Why a session is not compacted; null if it is."""
    if not _has_ended(session):
        return "it has not ended"
    before = len(session.segments)
    if before < 2 or -(-sum(one.rows for one in session.segments) // rows) >= before:
        return "its segments are large enough"
    if session.is_partly_numbered:
        return "some of its segments have a column seq, and others none"
    for exact in PATH_BYTES:
        text = exact.removesuffix("_bytes")
        if _mixes_bytes(session, text, exact):
            return f"some of its segments have {text} as bytes, and others {exact} beside it"
    for entry in _others(session.directory):
        if entry.is_dir() and not entry.is_symlink():
            return f"move {entry.name} in it elsewhere"
    return None


def _mixes_bytes(session: Session, text: str, exact: str) -> bool:
    """Whether merged segments would have two columns of exact bytes, each for some of the rows."""
    alone, beside = False, False
    for segment in session.segments:
        if holds_bytes(segment.columns, text):
            alone = True
        elif exact in segment.columns.names and exact not in segment.null:
            beside = True
    return alone and beside


def _has_ended(session: Session) -> bool:
    return session.ended_at is not None and not any(one.unsealed for one in session.segments)


def _is_left(directory: Path, reason: str) -> str:
    return f"{directory} is left as it is: {reason}"


def _write(session: Session, directory: Path, rows: int) -> list[dict[str, Any]]:
    """Write the new segments; their entries in ``session.json``."""
    columns = _columns([one.columns for one in session.segments])
    entries: list[dict[str, Any]] = []
    pending: list[pa.Table] = []
    first = session.segments[0].number  # earlier ones were removed: the reader must still see that
    for piece in _pieces(session, columns, rows):
        if sum(map(len, pending)) + len(piece) > rows:
            entries.append(_write_segment(pending, directory, first + len(entries)))
            pending = []
        pending.append(piece)
    if pending:
        entries.append(_write_segment(pending, directory, first + len(entries)))
    return entries


def _check_reads_the_same(old: Path, new: Path) -> None:
    """Refuse to put a session in place of another one that it differs from.

    Raises:
        CaptureError: their events read otherwise.
    """
    if _fingerprint(old) != _fingerprint(new):
        raise CaptureError(f"cannot compact {old}: merged, its events would read otherwise")


def _fingerprint(directory: Path) -> tuple[Any, ...]:
    """What is the same for sessions whose events read the same."""
    capture = Capture(directory)
    try:
        with capture.reading():
            return tuple(capture.query(statement("fingerprint")).fetchall())
    finally:
        capture.close()


def _columns(segments: Sequence[pa.Schema]) -> pa.Schema:
    """The columns of all segments; without dictionaries if not all have them alike."""
    try:
        return pa.unify_schemas(segments, promote_options="permissive")
    except pa.ArrowTypeError:
        plain = [
            pa.schema([(column.name, value_type(column.type)) for column in columns])
            for columns in segments
        ]
        return pa.unify_schemas(plain, promote_options="permissive")


def _pieces(session: Session, columns: pa.Schema, rows: int) -> Iterator[pa.Table]:
    for segment in session.segments:
        for batch in pq.ParquetFile(segment.path).iter_batches(min(rows, _ROW_GROUP)):
            table = pa.Table.from_batches([batch])
            for field in columns:
                if field.name not in table.column_names:
                    table = table.append_column(field, pa.nulls(len(table), field.type))
            yield table.select(columns.names).cast(columns)


def _write_segment(pieces: Sequence[pa.Table], directory: Path, number: int) -> dict[str, Any]:
    path = directory / sealed_name(number)
    temporary = path.with_suffix(".tmp")
    table = pa.concat_tables(pieces)
    pq.write_table(
        table,
        temporary,
        compression="zstd",
        row_group_size=_ROW_GROUP,
        dictionary_pagesize_limit=1 << 26,
    )
    put_in_place(temporary, path)
    segment = segment_file(number, path, len(table))
    return segment_entry(path, segment.rows, segment.first_seq, segment.last_seq)


def _others(directory: Path) -> list[Path]:
    """What is in the directory of a session besides it."""
    sealed = {path.name: open_name(number) for number, path in segments(directory)}
    ours = {SESSION_FILE, *sealed, *sealed.values()}  # of a sealed one the open one may be left
    return [entry for entry in directory.iterdir() if entry.name not in ours]


def _exchange(new: Path, old: Path) -> None:
    """Let two directories change names in one step (Linux, glibc 2.28)."""
    libc = ctypes.CDLL(None, use_errno=True)
    names = os.fsencode(new), os.fsencode(old)
    if libc.renameat2(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _RENAME_EXCHANGE):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
