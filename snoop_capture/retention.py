# SPDX-License-Identifier: Apache-2.0
"""Which sealed segments must go so that a capture keeps within its bounds, and their removal.

The oldest go first, whichever session they are of: the recorder's own, or one in the same
directory that has ended. What they held is folded into the session's summary before.
"""

import contextlib
import itertools
import logging
import os
import shutil
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from snoop_capture import memory
from snoop_capture.folding import fold, with_all_columns
from snoop_capture.limits import Retention
from snoop_capture.observer import Observer
from snoop_capture.sessions import sessions_in
from snoop_capture.spare import Spare, is_spare
from snoop_format.errors import FormatError
from snoop_format.locks import SessionLock
from snoop_format.session import read_session, sealed_name, segments, write_session
from snoop_format.summary import SUMMARY, SUMMARY_FILE, Dropped, read_dropped, write_summary

# Bytes kept for the summary, at least: without one nothing could be removed from a full disk.
_SPARE: Final = 1 << 20

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Sealed:
    """A sealed segment on the disk; ``age`` is that of its sealing, in seconds."""

    directory: Path
    number: int
    path: Path
    size: int
    age: float


class Keeper:
    """Keeps a capture within its bounds.

    Args:
        directory: the recorder's session.
        retention: the bounds.
        observer: is told what was removed.
    """

    def __init__(self, directory: Path, retention: Retention, observer: Observer) -> None:
        self._directory = directory
        self._retention = retention
        self._observer = observer
        self._spare = Spare(directory / SUMMARY_FILE)

    def remove_what_must_go(self, metadata: dict[str, Any]) -> None:
        """Remove the oldest segments as far as the bounds ask for it.

        Args:
            metadata: what the own session's ``session.json`` says; is brought up to date with it.

        Raises:
            OSError: a summary or ``session.json`` cannot be written; its segments are still there.
        """
        if not self._retention.removes:
            return
        with ExitStack() as held:
            directories = [self._directory, *self._ended(held)]
            going = self._going(directories)
            for directory, found in itertools.groupby(going, lambda segment: segment.directory):
                own = directory == self._directory
                self._remove(directory, list(found), metadata if own else read_session(directory))
                memory.give_back()
        self._keep_room()

    def _ended(self, held: ExitStack) -> Iterator[Path]:
        """The other sessions that have ended, locked."""
        for directory in sessions_in(self._directory.parent):
            with contextlib.suppress(OSError, FormatError):
                if directory != self._directory and read_session(directory).get("ended_at"):
                    held.enter_context(SessionLock(directory))
                    yield directory

    def _going(self, directories: Sequence[Path]) -> Iterator[_Sealed]:
        """The segments that must go, oldest first."""
        bounds = self._retention
        size = sum(map(_size, directories))
        free = _free(self._directory)
        for segment in sorted(_sealed_in(directories), key=lambda found: -found.age):
            if not (
                (bounds.max_size is not None and size > bounds.max_size)
                or (bounds.max_age is not None and segment.age > bounds.max_age)
                or (bounds.keep_free is not None and free < bounds.keep_free)
            ):
                return
            yield segment
            size -= segment.size
            free += segment.size

    def _remove(self, directory: Path, going: Sequence[_Sealed], said: dict[str, Any]) -> None:
        """Remove the first segments of a session: summary, ``session.json``, files, in this order.

        So whenever this is cut short, each event stands in a segment or in the summary, and
        ``session.json`` says in which.
        """
        dropped = read_dropped(directory, said)
        new = [segment for segment in going if segment.number > dropped.last_segment]
        summary = _summary(directory) if self._retention.keep_summary else None
        for segment in new:
            summary, one = _fold(summary, segment)
            dropped = dropped.and_then(one)
        if new and summary is not None:
            self._write_summary(directory, summary, dropped, said)
        gone = {sealed_name(segment.number) for segment in going}
        said["dropped"] = dropped.as_json()
        said["segments"] = [e for e in said.get("segments", []) if e.get("file") not in gone]
        write_session(directory, said)
        for segment in going:
            segment.path.unlink(missing_ok=True)
        size = sum(segment.size for segment in going)
        self._observer.removed(len(going), size)
        _log.info("removed %d of the segments of %s: %d bytes", len(going), directory.name, size)
        if summary is None and directory != self._directory and not any(segments(directory)):
            shutil.rmtree(directory)

    def _write_summary(
        self, directory: Path, summary: pa.Table, dropped: Dropped, said: dict[str, Any]
    ) -> None:
        session_id = str(said.get("session_id") or directory.name)
        self._spare.used_for(lambda: write_summary(directory, summary, dropped, session_id))

    def _keep_room(self) -> None:
        """Keep room for the next summary, as far as there is some."""
        if self._retention.keep_summary:
            sizes = map(_summary_size, self._directory.parent.iterdir())
            self._spare.take(max(_SPARE, 2 * max(sizes, default=0)))

    def close(self) -> None:
        """Give the room for the next summary back."""
        self._spare.drop()


def _sealed_in(directories: Iterable[Path]) -> Iterator[_Sealed]:
    """The sealed segments; within a session, none is younger than the one after it."""
    now = time.time()
    for directory in directories:
        newest = 0.0
        for number, path in segments(directory):
            if path.name == sealed_name(number):
                status = path.stat()
                newest = max(newest, status.st_mtime)
                yield _Sealed(directory, number, path, status.st_size, now - newest)


def _size(directory: Path) -> int:
    """Bytes of a session, but for the room that is kept free for what it must write."""
    files = (entry for entry in directory.iterdir() if entry.is_file() and not is_spare(entry))
    return sum(file.stat().st_size for file in files)


def _summary_size(session: Path) -> int:
    try:
        return (session / SUMMARY_FILE).stat().st_size
    except OSError:
        return 0


def _free(directory: Path) -> int:
    """Bytes that this user can still write there, statvfs(3)."""
    status = os.statvfs(directory)
    return status.f_bavail * status.f_frsize


def _summary(directory: Path) -> pa.Table:
    """The summary so far."""
    path = directory / SUMMARY_FILE
    if not path.exists():
        return SUMMARY.empty_table()
    with pq.ParquetFile(path) as parquet:
        return with_all_columns(parquet.read(), SUMMARY)


def _fold(summary: pa.Table | None, segment: _Sealed) -> tuple[pa.Table | None, Dropped]:
    """The summary with a segment's accesses, and what is to be said of the segment."""
    gone = Dropped(segments=1, bytes=segment.size, last_segment=segment.number)
    try:
        footer = pq.read_metadata(segment.path)
        first_seq, last_seq = _bounds(footer, "seq")
        first_ts, last_ts = _bounds(footer, "ts")
        folded = None if summary is None else fold(summary, segment.path)
    except (OSError, pa.ArrowException) as error:
        _log.warning("%s is damaged, it goes without a summary: %s", segment.path, error)
        return summary, gone
    return folded, replace(
        gone,
        rows=footer.num_rows,
        summarized_rows=0 if folded is None else footer.num_rows,
        first_seq=first_seq,
        last_seq=last_seq,
        first_ts=first_ts and first_ts.isoformat(),
        last_ts=last_ts and last_ts.isoformat(),
    )


def _bounds(footer: pq.FileMetaData, column: str) -> tuple[Any, Any]:
    """Least and greatest value by the statistics; None where there are none."""
    index = footer.schema.to_arrow_schema().get_field_index(column)
    groups = (footer.row_group(group) for group in range(footer.num_row_groups))
    found = [group.column(index).statistics for group in groups if group.num_rows]
    known = [one for one in found if one is not None and one.has_min_max]
    if index < 0 or not known:
        return None, None
    return min(one.min for one in known), max(one.max for one in known)
