# SPDX-License-Identifier: Apache-2.0
"""What becomes of a closed segment, and of ``session.json``: the work of a thread of its own.

A segment is made into Parquet group by group while it is being written. Where that cannot keep
up or fails, it is made from its file once there is time and space; until then readers take the
file as it is. Nothing here holds up the thread that writes events.
"""

import concurrent.futures
import contextlib
import errno
import logging
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from snoop_capture.limits import Retention
from snoop_capture.observer import Observer
from snoop_capture.retention import Keeper
from snoop_capture.spare import Spare
from snoop_format.errors import FormatError
from snoop_format.segment import ROW_GROUP, SealedWriter, SegmentWriter, committed, seal
from snoop_format.session import (
    SESSION_FILE,
    sealed_name,
    segment_entry,
    segment_metadata,
    write_session,
)

_MOST_GROUPS: Final = 2  # that wait for this thread
_RETRY: Final = 5.0  # seconds between attempts
_LOOK: Final = 10.0  # seconds between looks at the age of segments and the free space
_GLANCE: Final = 0.005  # seconds between two looks whether the writing thread must go on

_SPARE: Final = 16 << 10  # bytes for session.json, so that it can say what a full disk loses
_FAILURES: Final = (OSError, pa.ArrowException, FormatError)  # of a disk, or of what is on it

REMOVED: Final = "removed"
"""Why events are lost that somebody has removed the file of: a cause beside the others."""

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Closed:
    """A segment that takes no more events.

    Attributes:
        number: its number.
        opened: its file, with ``rows`` events.
        counts: what the session had lost when it was closed, and the like.
        parquet: its row groups so far; None where they have to be made from the file.
    """

    number: int
    opened: Path
    rows: int
    first_seq: int | None
    last_seq: int | None
    counts: Mapping[str, Any]
    parquet: SealedWriter | None

    @property
    def sealed(self) -> Path:
        """Its file once it is sealed."""
        return self.opened.with_name(sealed_name(self.number))


@dataclass(slots=True)
class _Group:
    """The next row group of the open segment."""

    batches: list[pa.RecordBatch] = field(default_factory=list)
    rows: int = 0

    def add(self, batch: pa.RecordBatch) -> None:
        self.batches.append(batch)
        self.rows += batch.num_rows


class Sealer:
    """Seals the segments of a session, writes its ``session.json`` and removes the oldest segments.

    The methods are for the thread that writes events, and return at once but for ``add``, which
    waits while this is behind, as long as ``hurry`` lets it. After ``close`` it does nothing more.

    Attributes:
        gone: the directory was removed, and is not there at the end.
        trouble: why something could not be done at the last attempt.

    Args:
        directory: the session.
        metadata: what ``session.json`` says.
        retention: when the oldest segments are removed.
        observer: is told of it.
        hurry: whether the writing thread must not wait.
    """

    def __init__(
        self,
        directory: Path,
        metadata: dict[str, Any],
        retention: Retention,
        observer: Observer,
        hurry: Callable[[], bool],
    ) -> None:
        self.gone = False
        self.trouble: str | None = None
        self._lost_open = self._lost_closed = 0
        self._directory = directory
        self._metadata = metadata
        self._keeper = Keeper(directory, retention, observer)
        self._observer = observer
        self._hurry = hurry
        self._thread = concurrent.futures.ThreadPoolExecutor(1, "seal")
        self._groups: deque[concurrent.futures.Future[None]] = deque()
        self._group = _Group()
        self._parquet: SealedWriter | None = None
        self._unsealed: deque[Closed] = deque()
        self._closed = 0
        self._retry_at = self._look_at = 0.0
        self._stale = False
        write_session(directory, metadata)
        self._spare = Spare(directory / SESSION_FILE)
        self._spare.take(_SPARE)

    @property
    def lost(self) -> int:
        """Events in segments that somebody removed."""
        return self._lost_open + self._lost_closed

    @property
    def unsealed(self) -> int:
        """Closed segments that still have to be sealed."""
        return self._closed

    def begin(self, path: Path) -> None:
        """A segment was begun, which will become ``path``; one that was not closed is gone."""
        self._group = _Group()
        self._drop_parquet()
        if self._closed == 0:
            with contextlib.suppress(OSError):  # it is then made from the open segment's file
                self._parquet = SealedWriter(path)

    def add(self, batch: pa.RecordBatch) -> None:
        """Events were written to the open segment."""
        if self._parquet is None:
            return
        self._group.add(batch)
        if self._group.rows >= ROW_GROUP:
            self._write_group()

    def finish(self, opened: SegmentWriter, number: int, counts: Mapping[str, Any]) -> None:
        """The open segment is closed: seal it."""
        self._write_group()
        closed = Closed(
            number,
            opened.path,
            opened.rows,
            opened.first_seq,
            opened.last_seq,
            counts,
            self._parquet,
        )
        self._parquet = None
        self._closed += 1
        self._submit(self._take, closed)

    def lose(self, events: int) -> None:
        """The open segment was removed, with so many events."""
        self._lost_open += events

    def update(self, **metadata: Any) -> None:
        """Set entries of ``session.json``."""
        self._submit(self._update, metadata)

    def restore(self) -> None:
        """The session's directory was made anew: what it held is gone."""
        self._submit(self._restore)

    def do(self, step: Callable[[], None]) -> None:
        """Do something else in this thread."""
        self._submit(step)

    def look(self) -> None:
        """Do what is due by now."""
        now = time.monotonic()
        if now >= self._look_at or (self._behind and now >= self._retry_at):
            self._submit(self._do_due)

    def close(self, until: float, **metadata: Any) -> bool:
        """Seal what can be sealed, and write the session's end.

        Args:
            until: CLOCK_MONOTONIC in seconds, when to stop trying.
            metadata: the last entries of ``session.json``.

        Returns:
            whether all is sealed and said in ``session.json``.
        """
        self._drop_parquet()
        last = self._thread.submit(self._end, until, metadata)
        self._thread.shutdown(wait=False)
        with contextlib.suppress(concurrent.futures.TimeoutError):
            return last.result(max(0.0, until - time.monotonic()) + 0.5)
        return False

    def _write_group(self) -> None:
        """Have the row group so far made, unless that is far behind."""
        group, self._group = self._group, _Group()
        if self._parquet is None or not group.rows:
            return
        while self._groups:
            if self._groups[0].done():
                self._groups.popleft()
            elif len(self._groups) < _MOST_GROUPS:
                break
            elif self._hurry():
                self._drop_parquet()
                return
            else:
                concurrent.futures.wait([self._groups[0]], _GLANCE)
        self._groups.append(self._submit(self._write, self._parquet, group.batches))

    def _drop_parquet(self) -> None:
        """Have the segment made from its file later on."""
        parquet, self._parquet = self._parquet, None
        if parquet is not None:
            self._submit(parquet.abandon)

    def _submit(
        self, step: Callable[..., None], *arguments: Any
    ) -> concurrent.futures.Future[None]:
        work = self._thread.submit(step, *arguments)
        work.add_done_callback(_report)
        return work

    # What follows runs in the thread.

    @property
    def _behind(self) -> bool:
        return self._stale or bool(self._unsealed)

    @staticmethod
    def _write(parquet: SealedWriter, batches: list[pa.RecordBatch]) -> None:
        with contextlib.suppress(OSError):  # it lacks rows then, and is made from the file
            parquet.write(batches)

    def _take(self, closed: Closed) -> None:
        self._unsealed.append(closed)
        self._do_due()

    def _update(self, metadata: Mapping[str, Any]) -> None:
        self._metadata.update(metadata)
        self._stale = True
        self._do_due()

    def _restore(self) -> None:
        entries = self._metadata["segments"]
        there = [e for e in entries if (self._directory / e["file"]).exists()]
        self._lost_closed += sum(e["rows"] for e in entries) - sum(e["rows"] for e in there)
        self._metadata["segments"] = there
        self._stale = True
        self._spare.take(_SPARE)

    def _do_due(self) -> None:
        """Seal and write what can be, in this order; look at what must go."""
        if time.monotonic() < self._retry_at:
            return
        try:
            while self._unsealed:
                self._seal(self._unsealed[0])
                self._unsealed.popleft()
                self._closed -= 1
            if self._stale:
                self._write_session()
            self.trouble = None
            if time.monotonic() >= self._look_at:
                self._look_at = time.monotonic() + _LOOK
                self._keeper.remove_what_must_go(self._metadata)
        except _FAILURES as error:
            self._put_off(error)

    def _write_session(self) -> None:
        """Write what is known by now; that it has ended, once all is sealed."""
        if self.lost:  # more may have been found removed while it was sealed
            self._metadata["losses"] = {**self._metadata["losses"], REMOVED: self.lost}
        unsealed = {"ended_at": None} if self._unsealed else {}
        said = self._metadata | unsealed
        self._spare.used_for(lambda: write_session(self._directory, said))
        self._spare.take(_SPARE)
        self._stale = False

    def _put_off(self, error: Exception) -> None:
        self._retry_at = time.monotonic() + _RETRY
        number, reason = getattr(error, "errno", None), getattr(error, "strerror", None)
        self._observer.failed(errno.errorcode.get(number or 0, type(error).__name__))
        before, self.trouble = self.trouble, str(reason or error)
        if self.trouble != before:
            _log.warning(
                "cannot seal a segment in %s, remove one or write %s yet: %s",
                self._directory,
                SESSION_FILE,
                self.trouble,
            )
        with contextlib.suppress(*_FAILURES):
            self._keeper.remove_what_must_go(self._metadata)
        with contextlib.suppress(OSError):  # it says what is lost, even where nothing can be sealed
            if self._stale:
                self._write_session()

    def _seal(self, closed: Closed) -> None:
        started = time.monotonic()
        rows = self._to_parquet(closed)
        if rows is not None:
            entry = segment_entry(closed.sealed, rows, closed.first_seq, closed.last_seq)
            self._metadata["segments"].append(entry)
            self._stale = True
            self._look_at = 0.0
            self._observer.sealed(entry["bytes"], time.monotonic() - started)
        self._lost_closed += closed.rows - (rows or 0)
        with contextlib.suppress(OSError):  # last: until it is listed it can be sealed once more
            closed.opened.unlink()  # where both are, the sealed one counts

    def _to_parquet(self, closed: Closed) -> int | None:
        """Make the file; the number of its rows, None where the segment was removed."""
        metadata = segment_metadata(self._directory.name, closed.counts)
        parquet, closed.parquet = closed.parquet, None
        if parquet is not None:
            with contextlib.suppress(OSError, pa.ArrowException):  # it may work from the file
                if parquet.rows == closed.rows:  # else a row group could not be written
                    parquet.close(metadata)
                    return closed.rows
            parquet.abandon()
        try:
            return seal(committed(closed.opened), closed.sealed, metadata)
        except FileNotFoundError:
            if closed.opened.exists():
                raise
        if closed.sealed.exists():  # sealed at an attempt before, and not listed
            return int(pq.read_metadata(closed.sealed).num_rows)
        return None

    def _end(self, until: float, metadata: Mapping[str, Any]) -> bool:
        self._metadata.update(metadata)
        self._stale = True
        self._retry_at = 0.0
        self.gone = not self._directory.is_dir()
        if self.gone:
            self._restore()
        while True:
            self._do_due()
            if not self._behind or time.monotonic() + _GLANCE >= until:
                self._keeper.close()
                self._spare.drop()
                for closed in self._unsealed:
                    if closed.parquet is not None:
                        closed.parquet.abandon()
                return not self._behind
            self._retry_at = 0.0
            time.sleep(min(0.2, max(0.0, until - time.monotonic())))


def _report(work: concurrent.futures.Future[None]) -> None:
    """Say what nobody expected; sealing goes on with the next step."""
    error = work.exception()
    if error is not None:
        _log.error("a step of sealing failed: %r", error, exc_info=error)
