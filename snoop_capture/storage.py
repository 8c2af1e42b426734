# SPDX-License-Identifier: Apache-2.0
"""A session on disk: the open segment, sealing, ``session.json``."""

import concurrent.futures
import platform
import secrets
import socket
import tempfile
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from snoop_capture.errors import CaptureError
from snoop_format import schema
from snoop_format.segment import SegmentWriter, read_open, seal
from snoop_format.session import (
    SESSION_FILE,
    open_name,
    sealed_name,
    segments,
    write_session,
)

ROTATE_ROWS: Final = 8_000_000


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
    paths = pa.chunked_array([], pa.string())
    for _, segment in segments(session):
        column = pq.read_table(segment, columns=["path"]).column("path")
        paths = pc.unique(pa.chunked_array([*paths.chunks, *column.chunks]))
        paths = pa.chunked_array([paths])
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
        self._sealer = concurrent.futures.ThreadPoolExecutor(1, "seal")
        self._sealing: list[concurrent.futures.Future[dict[str, Any]]] = []
        self._number = 1
        self._writer = self._open()

    @property
    def segment(self) -> int:
        """Number of the open segment."""
        return self._number

    def write(self, batch: pa.RecordBatch) -> bool:
        """Append events. True: a new segment was begun after them."""
        self._writer.write(batch)
        if self._writer.rows < ROTATE_ROWS:
            return False
        self._seal()
        self._number += 1
        self._writer = self._open()
        return True

    def update(self, **metadata: Any) -> None:
        """Set entries of ``session.json`` and write it."""
        self.metadata.update(metadata)
        self._collect_sealed(wait=False)
        write_session(self.directory, self.metadata)

    def close(self, **metadata: Any) -> None:
        """Seal the last segment and write the session's end."""
        self._seal()
        self._sealer.shutdown()
        self._collect_sealed(wait=True)
        self.update(ended_at=now(), **metadata)

    def _open(self) -> SegmentWriter:
        return SegmentWriter(self.directory / open_name(self._number))

    def _seal(self) -> None:
        self._writer.close()
        self._sealing.append(self._sealer.submit(seal_segment, self.directory, self._number))

    def _collect_sealed(self, wait: bool) -> None:
        done = [f for f in self._sealing if wait or f.done()]
        self._sealing = [f for f in self._sealing if f not in done]
        self.metadata["segments"] += [future.result() for future in done]


def seal_segment(directory: Path, number: int) -> dict[str, Any]:
    """Turn open segment ``number`` of a session into a sealed one.

    Returns:
        its entry in ``session.json``: file, rows, first and last seq, bytes.
    """
    source, target = directory / open_name(number), directory / sealed_name(number)
    batches = read_open(source).batches
    seqs = [batch.column("seq") for batch in batches if batch.num_rows]
    entry: dict[str, Any] = {
        "file": target.name,
        "rows": sum(map(len, seqs)),
        "first_seq": seqs[0][0].as_py() if seqs else None,
        "last_seq": seqs[-1][-1].as_py() if seqs else None,
    }
    seal(batches, target, {"snoop.format": str(schema.FORMAT), "snoop.session": directory.name})
    source.unlink()
    return entry | {"bytes": target.stat().st_size}
