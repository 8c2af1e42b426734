# SPDX-License-Identifier: Apache-2.0
"""A session on disk: events are numbered and go to the open segment, come what may.

Where the disk is full, read-only or gone they wait in memory until it is not, or are counted as
lost when that is full. What room there is gets smaller batches. A segment that an error ended is
left as it is, up to its last commit, and the next one begun.
"""

import contextlib
import errno
import logging
import platform
import socket
import time
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from snoop_capture.backlog import NOT_WRITTEN, Backlog
from snoop_capture.errors import CaptureError
from snoop_capture.limits import Limits
from snoop_capture.observer import Observer
from snoop_capture.sealing import REMOVED, Sealer
from snoop_capture.sessions import now
from snoop_capture.spare import NO_ROOM
from snoop_format import schema
from snoop_format.locks import SessionLock
from snoop_format.segment import SegmentWriter
from snoop_format.session import open_name, sealed_name, sync

_DEFECTS: Final = (schema.UNREADABLE, schema.UNRESOLVED_BASE, schema.RESULT_LOST)
_RETRY: Final = 1.0  # seconds between attempts to write
_LAST_RETRY: Final = 0.2  # the same when the recording has ended
_COUNTS: Final = 1.0  # seconds between updates of what session.json says is lost
_PART_OF_MAX_SIZE: Final = 4  # a segment is at most this part of all: something must be left to go

_log = logging.getLogger(__name__)


class SessionWriter:
    """Writes one session, driven by one thread.

    Attributes:
        events: number of events written so far; the next one's ``seq``.
        failure: why nothing can be written at present; None where it can.
        last_flush: CLOCK_MONOTONIC in seconds, when last all events were on disk.
        last_event: time of the newest event written, seconds since the epoch.

    Args:
        directory: an empty session directory.
        metadata: what ``session.json`` says besides what the writer knows itself.
        limits: how much may be where.
        observer: is told what is done.
        lost: events lost before they come here, by cause.
        hurry: whether more events wait, so that a write must not wait for the sealing.

    Raises:
        CaptureError: another recorder writes to the directory.
        OSError: it cannot be written.
    """

    def __init__(
        self,
        directory: Path,
        metadata: Mapping[str, Any],
        limits: Limits,
        observer: Observer,
        lost: Callable[[], Mapping[str, int]] = dict,
        hurry: Callable[[], bool] = bool,
    ) -> None:
        self.directory = directory
        self.events = 0
        self.failure: str | None = None
        self.last_flush = time.monotonic()
        self.last_event: float | None = None
        self._lock = _locked(directory)
        self._limits = limits
        self._observer = observer
        self._lost_before = lost
        self._defects = Counter(dict.fromkeys(_DEFECTS, 0))
        self._backlog = Backlog(limits.queue_bytes)
        self._no_room = False
        self._retry_at = 0.0
        self._unsynced = False
        self._counted: dict[str, Any] = {}
        self._count_at = 0.0
        self.extra: dict[str, Any] = {}
        session = _first_metadata(directory, metadata)
        self._sealer = Sealer(directory, session, limits.retention, observer, hurry)
        with contextlib.suppress(PermissionError):  # a directory that may be written, but not read
            sync(directory.parent)
        self._number = 1
        self._open: SegmentWriter | None = None
        self._begin()

    @property
    def segment(self) -> int:
        """Number of the open segment."""
        return self._number

    @property
    def queued(self) -> tuple[int, int]:
        """Events that wait to be written, and the memory they take."""
        return self._backlog.events, self._backlog.bytes

    @property
    def unsealed(self) -> int:
        """Closed segments that still have to be sealed."""
        return self._sealer.unsealed

    @property
    def trouble(self) -> str | None:
        """Why nothing can be written or sealed at present."""
        return self.failure or self._sealer.trouble

    @property
    def gone(self) -> bool:
        """The session's directory was removed, and could not be made again for its end."""
        return self._sealer.gone

    @property
    def defects(self) -> dict[str, int]:
        """Events that lack something, by the note that says so."""
        return dict(self._defects)

    @property
    def losses(self) -> dict[str, int]:
        """Events without a row so far, by cause."""
        lost = dict(self._lost_before())
        lost[NOT_WRITTEN] = self._backlog.lost.total()
        lost[REMOVED] = self._sealer.lost
        return {cause: count for cause, count in lost.items() if count}

    @property
    def lost_by_cgroup(self) -> dict[int, dict[str, int]]:
        """Events that could not be written, by cgroup id and cause."""
        return {cgroup: {NOT_WRITTEN: count} for cgroup, count in self._backlog.lost.items()}

    def write(self, batch: pa.RecordBatch) -> None:
        """Append events, of schema ``OPEN_EVENTS`` without ``seq``, or keep them for later."""
        self._backlog.add(batch)
        self.tick()

    def tick(self) -> None:
        """Do what is due by now; to be called at least every flush interval."""
        moment = time.monotonic()
        if self._backlog and moment >= self._retry_at:
            self._write_backlog()
        self._flush(moment)
        if self._open and self._is_full(self._open, moment):
            self.rotate()
        self._update_counts(moment)
        self._sealer.look()

    def rotate(self) -> None:
        """Close the open segment, unless nothing is in it, and begin the next one."""
        if self._open is None or not self._open.rows:
            return
        try:
            self._open.close()
        except OSError as error:
            self._fail(error)
            return
        self._hand_over(self._open)
        self._try(self._begin)

    def update(self, **metadata: Any) -> None:
        """Set entries of ``session.json``."""
        self._sealer.update(**metadata)

    def do(self, step: Callable[[], None]) -> None:
        """Do a piece of work on the disk that has time, in another thread."""
        self._sealer.do(step)

    def close(self, until: float, metadata: Callable[[], Mapping[str, Any]]) -> bool:
        """Write what waits, seal all, and write the session's end.

        Args:
            until: CLOCK_MONOTONIC in seconds: what cannot be written by then is lost.
            metadata: gives entries of ``session.json``; is called once all losses are counted.

        Returns:
            whether all is on disk, sealed, and said in ``session.json``.
        """
        while self._backlog:
            self._write_backlog()
            if not self._backlog or time.monotonic() + _LAST_RETRY > until:
                break
            time.sleep(_LAST_RETRY)
        self._backlog.give_up()
        if self._open is not None and not self._open.vanished:
            with contextlib.suppress(OSError):  # it is read up to its last commit
                self._open.close()
            self._hand_over(self._open)
        elif self._open is not None:
            self._fail(_it_was_removed(self._open))
        self._try(self._make_directory)
        counts = {"losses": self.losses, "defects": self.defects}
        whole = self._sealer.close(until, ended_at=now(), **counts, **metadata())
        if whole and self._lock is not None:
            self._lock.release()
        return whole

    def _write_backlog(self) -> None:
        while self._backlog:
            if not self._try(self._write_first):
                if self._fits_in_parts():
                    continue
                return
            self._backlog.pop()
            assert self._open is not None
            if self._is_full(self._open, time.monotonic()):
                self.rotate()
        if self.failure is not None and self._open is not None:
            _log.warning("the capture is written again; %s", _in_words(self.losses))
            self.failure = None

    def _fits_in_parts(self) -> bool:
        """May the batch that found no room fit after all, as two of them?

        Not while segments are unsealed: sealing needs room, and makes some.
        """
        return self._no_room and not self._sealer.unsealed and self._backlog.halve()

    def _try(self, step: Callable[[], None]) -> bool:
        """Do something on the disk; whether it worked."""
        try:
            step()
        except OSError as error:
            self._fail(error)
            return False
        return True

    def _write_first(self) -> None:
        """Write the first batch of the backlog."""
        if self._open is None:
            self._begin()
        assert self._open is not None
        batch = self._numbered(self._backlog.first)
        started, size = time.monotonic(), self._open.bytes
        self._open.write(batch, self._counts())
        self._observer.flushed(self._open.bytes - size, time.monotonic() - started)
        self.events += batch.num_rows
        self._unsynced = True
        for note in self._defects:
            self._defects[note] += _times(batch.column("note"), note)
        if batch.num_rows:
            self.last_event = batch.column("ts")[-1].value / 1e6
        self._sealer.add(batch)
        self._observer.written(batch)

    def _numbered(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        seq = np.arange(self.events, self.events + batch.num_rows, dtype=np.uint64)
        return pa.record_batch([pa.array(seq), *batch.columns], schema=schema.OPEN_EVENTS)

    def _begin(self) -> None:
        self._make_directory()
        self._open = SegmentWriter(self.directory / open_name(self._number))
        self._begun_at = time.monotonic()
        sync(self.directory)
        self._sealer.begin(self.directory / sealed_name(self._number))

    def _is_full(self, opened: SegmentWriter, moment: float) -> bool:
        rotation, most = self._limits.rotation, self._limits.retention.max_size
        size = rotation.size if most is None else min(rotation.size, most // _PART_OF_MAX_SIZE)
        return opened.rows > 0 and (
            opened.bytes >= size
            or opened.rows >= rotation.rows
            or moment - self._begun_at >= rotation.seconds
        )

    def _make_directory(self) -> None:
        """Make the session's directory anew where somebody has removed it."""
        if not self.directory.is_dir():
            self.directory.mkdir(mode=0o750, parents=True)
            self._sealer.restore()

    def _hand_over(self, opened: SegmentWriter) -> None:
        """Have a closed segment sealed. One without events leaves its number to the next."""
        self._open = None
        if opened.rows or self._number == 1:
            self._sealer.finish(opened, self._number, self._counts())
            self._number += 1
        else:
            with contextlib.suppress(OSError):
                opened.path.unlink()

    def _flush(self, moment: float) -> None:
        """Have what was written survive a loss of power."""
        if self._unsynced and moment - self.last_flush < self._limits.flush / 2:
            return
        if self._unsynced and self._open is not None and not self._try(self._sync):
            return
        self._unsynced = False
        if not self._backlog:
            self.last_flush = time.monotonic()

    def _sync(self) -> None:
        assert self._open is not None
        if self._open.vanished:
            raise _it_was_removed(self._open)
        self._open.sync()

    def _fail(self, error: OSError) -> None:
        """End the open segment at its last commit, and say what is wrong, once."""
        self._retry_at = time.monotonic() + _RETRY
        self._observer.failed(errno.errorcode.get(error.errno or 0, "unknown"))
        self._no_room = error.errno in NO_ROOM
        if self.failure is None:
            _log.error(
                "cannot write to %s: %s; events wait in memory, up to %d bytes of them",
                self.directory,
                error.strerror,
                self._limits.queue_bytes,
            )
        self.failure = error.strerror or str(error)
        self._unsynced = False
        opened, self._open = self._open, None
        if opened is None:
            return
        vanished = opened.vanished
        opened.abandon()
        if vanished:
            self._sealer.lose(opened.rows)
            self._number += 1
        else:
            self._hand_over(opened)

    def _counts(self) -> dict[str, Any]:
        """What a segment says of the session besides its events."""
        defects = {note: count for note, count in self._defects.items() if count}
        return {"losses": self.losses, "defects": defects, **self.extra}

    def _update_counts(self, moment: float) -> None:
        """Have ``session.json`` say what is lost soon after it was."""
        counts = {"losses": self.losses, "defects": self.defects}
        if counts != self._counted and moment >= self._count_at:
            self._counted, self._count_at = counts, moment + _COUNTS
            self._sealer.update(**counts)


def _locked(directory: Path) -> SessionLock | None:
    """The session's lock; None on a file system without locks."""
    try:
        return SessionLock(directory)
    except BlockingIOError:
        raise CaptureError(f"another recorder writes to {directory}") from None
    except OSError as error:
        if error.errno not in (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS):
            raise
        _log.warning("%s has no locks: this session is not recovered if it is killed", directory)
        return None


def _first_metadata(directory: Path, metadata: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "format": schema.FORMAT,
        "session_id": directory.name,
        "host": socket.gethostname(),
        "started_at": now(),
        "ended_at": None,
        "kernel": platform.release(),
        "arch": platform.machine(),
        "boot_id": Path("/proc/sys/kernel/random/boot_id").read_text().strip(),
        "containers": [],
        "losses": {},
        "defects": {},
        "segments": [],
        **metadata,
    }


def _times(words: pa.Array, word: str) -> int:
    """How often a word stands in a dictionary column."""
    if words.null_count == len(words):
        return 0
    return int(pc.sum(pc.equal(words, word)).as_py() or 0)


def _it_was_removed(opened: SegmentWriter) -> OSError:
    return FileNotFoundError(errno.ENOENT, "it was removed", str(opened.path))


def _in_words(losses: Mapping[str, int]) -> str:
    lost = losses.get(NOT_WRITTEN, 0) + losses.get(REMOVED, 0)
    return f"{lost} events are lost so far" if lost else "nothing was lost meanwhile"
