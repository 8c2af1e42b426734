# SPDX-License-Identifier: Apache-2.0
"""A session on disk: the open segment, sealing, ``session.json``."""

import collections
import concurrent.futures
import platform
import secrets
import socket
import tempfile
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from snoop_capture.errors import CaptureError
from snoop_format import schema
from snoop_format.segment import ROW_GROUP, SealedWriter, SegmentWriter
from snoop_format.session import (
    SESSION_FILE,
    open_name,
    sealed_name,
    segments,
    write_session,
)

ROTATE_ROWS: Final = 16 * ROW_GROUP
_MOST_WAITING: Final = 2  # row groups that the sealing thread may be behind


def sessions_in(directory: Path) -> list[Path]:
    """The session directories of a capture: ``directory`` itself, or those in it."""
    if not directory.is_dir():
        return []
    candidates = [directory, *sorted(d for d in directory.iterdir() if d.is_dir())]
    return [d for d in candidates if (d / SESSION_FILE).exists()]


def refuse_old(capture: Path, force: bool) -> None:
    """Make sure that ``capture`` can take a first session.

    Raises:
        CaptureError: it holds a capture and ``force`` is not set, or it cannot be written.
    """
    try:
        if sessions_in(capture) and not force:
            raise CaptureError(
                f"{capture} already holds a capture: choose another directory with -o, "
                "or replace the capture with --force"
            )
        capture.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=capture):
            pass
    except OSError as error:
        raise CaptureError(f"cannot write to {capture}: {error.strerror}") from error


def session_name() -> str:
    """A fresh name for a session: the time, and chance."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"


def new_session(capture: Path, name: str) -> Path:
    """Make a session directory in ``capture``, in place of the sessions that are there."""
    for directory in sessions_in(capture):
        _remove_session(directory)
    session = capture / name
    session.mkdir(mode=0o750)
    return session


def distinct_paths(session: Path) -> int:
    """How many different paths a session's sealed segments hold."""
    paths = pa.array([], pa.string())
    for _, segment in segments(session):
        with pq.ParquetFile(segment, read_dictionary=["path"]) as parquet:
            for number in range(parquet.num_row_groups):
                column = parquet.read_row_group(number, ["path"], use_threads=False).column(0)
                new = [chunk.dictionary for chunk in column.chunks]
                paths = pc.unique(pa.chunked_array([paths, *new], pa.string()))
    return len(paths.drop_null())


def _remove_session(directory: Path) -> None:
    """Remove the files of a session, and its directory if nothing else is in it."""
    for segment in directory.glob("events-*.*"):
        segment.unlink()
    (directory / SESSION_FILE).unlink()
    if not any(directory.iterdir()):
        directory.rmdir()


def now() -> str:
    """The time as it stands in ``session.json``: RFC 3339, UTC, microseconds."""
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


class SessionWriter:
    """Writes one session.

    Args:
        directory: an empty session directory.
        metadata: what ``session.json`` says besides what the writer knows itself.
    """

    def __init__(self, directory: Path, metadata: Mapping[str, Any]) -> None:
        self.directory = directory
        self.metadata: dict[str, Any] = {
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
        self._worker = concurrent.futures.ThreadPoolExecutor(1, "seal")
        self._work: collections.deque[concurrent.futures.Future[None]] = collections.deque()
        self._begin(1)

    @property
    def segment(self) -> int:
        """Number of the open segment."""
        return self._number

    def write(self, batch: pa.RecordBatch) -> bool:
        """Append events: to the open segment at once, to the one it becomes by row groups.

        Returns:
            whether a new segment was begun after them.

        Raises:
            OSError: the disk is full, read-only or gone.
        """
        self._open.write(batch)
        self._group.append(batch)
        self._group_rows += batch.num_rows
        if self._group_rows >= ROW_GROUP:
            self._write_group()
        if self._open.rows < ROTATE_ROWS:
            return False
        self._seal()
        self._begin(self._number + 1)
        return True

    def update(self, **metadata: Any) -> None:
        """Set entries of ``session.json`` and write it."""
        self.metadata.update(metadata)
        write_session(self.directory, self.metadata)

    def close(self, **metadata: Any) -> None:
        """Seal the last segment and write the session's end."""
        self._seal()
        self._worker.shutdown()
        self._wait(0)
        self.update(ended_at=now(), **metadata)

    def _begin(self, number: int) -> None:
        self._number = number
        self._open = SegmentWriter(self.directory / open_name(number))
        self._sealed = SealedWriter(self.directory / sealed_name(number))
        self._new_group()

    def _new_group(self) -> None:
        self._group: list[pa.RecordBatch] = []
        self._group_rows = 0

    def _write_group(self) -> None:
        self._submit(self._sealed.write, self._group)
        self._new_group()

    def _seal(self) -> None:
        self._open.close()
        self._write_group()
        self._submit(self._finish, self._open, self._sealed)

    def _finish(self, opened: SegmentWriter, sealed: SealedWriter) -> None:
        """The last step of a segment, in the sealing thread."""
        sealed.close({"snoop.format": str(schema.FORMAT), "snoop.session": self.directory.name})
        opened.path.unlink()
        entry = {"file": sealed.path.name, "rows": opened.rows, "first_seq": opened.first_seq}
        entry |= {"last_seq": opened.last_seq, "bytes": sealed.path.stat().st_size}
        self.metadata["segments"].append(entry)

    def _submit(self, step: Callable[..., None], *arguments: Any) -> None:
        """Have the sealing thread do a step; wait where it is far behind, to bound the memory."""
        self._work.append(self._worker.submit(step, *arguments))
        self._wait(_MOST_WAITING)

    def _wait(self, most: int) -> None:
        while len(self._work) > most or (self._work and self._work[0].done()):
            self._work.popleft().result()
