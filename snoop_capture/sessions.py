# SPDX-License-Identifier: Apache-2.0
"""The sessions in a capture directory: their names, making and removing them."""

import contextlib
import secrets
import tempfile
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from snoop_capture.errors import CaptureError
from snoop_format.locks import SessionLock
from snoop_format.session import SESSION_FILE, segments
from snoop_format.summary import SUMMARY_FILE


def sessions_in(directory: Path) -> list[Path]:
    """The session directories of a capture: ``directory`` itself, or those in it."""
    if not directory.is_dir():
        return []
    candidates = [directory, *sorted(d for d in directory.iterdir() if d.is_dir())]
    return [d for d in candidates if (d / SESSION_FILE).exists()]


def prepare(capture: Path, force: bool) -> list[Path]:
    """Make sure that ``capture`` can take a first session.

    Returns:
        the directories that were made, the innermost first.

    Raises:
        CaptureError: it holds a capture and ``force`` is not set, or it cannot be written.
    """
    try:
        if sessions_in(capture) and not force:
            raise CaptureError(
                f"{capture} already holds a capture: choose another directory with -o, "
                "or replace the capture with --force"
            )
        made = [path for path in (capture, *capture.parents) if not path.exists()]
        capture.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=capture):
            pass
    except OSError as error:
        raise CaptureError(f"cannot write to {capture}: {error.strerror}") from error
    return made


def remove_empty(directories: Iterable[Path]) -> None:
    """Remove those directories that hold nothing."""
    for directory in directories:
        with contextlib.suppress(OSError):
            directory.rmdir()


def session_name() -> str:
    """A fresh name for a session: the time, and chance."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"


def new_session(capture: Path, name: str) -> Path:
    """Make a session directory in ``capture``, in place of the sessions that are there.

    Raises:
        CaptureError: another process writes to one of them.
    """
    for directory in sessions_in(capture):
        _remove_session(directory)
    session = capture / name
    session.mkdir(mode=0o750, parents=True)
    return session


def distinct_paths(session: Path) -> int:
    """How many different paths a session's sealed segments hold."""
    paths = pa.array([], pa.string())
    for _, segment in segments(session):
        # Opened here: as a name it would have to be UTF-8, and must not look like a URI. Not read
        # ahead: the thread that does so gives the buffers of a Python file back when the
        # interpreter may be ending, and aborts the process.
        with (
            segment.open("rb") as file,
            pq.ParquetFile(file, read_dictionary=["path"], pre_buffer=False) as parquet,
        ):
            for number in range(parquet.num_row_groups):
                column = parquet.read_row_group(number, ["path"], use_threads=False).column(0)
                new = [chunk.dictionary for chunk in column.chunks]
                paths = pc.unique(pa.chunked_array([paths, *new], pa.string()))
    return len(paths.drop_null())


def _remove_session(directory: Path) -> None:
    """Remove the files of a session, and its directory if nothing else is in it."""
    try:
        with SessionLock(directory):
            for pattern in ("events-*.*", f"{SUMMARY_FILE}*", "session.*.tmp", "summary.*.tmp"):
                for file in directory.glob(pattern):
                    file.unlink()
            (directory / SESSION_FILE).unlink()
    except BlockingIOError:
        raise CaptureError(
            f"another recorder, or snoop-analyze compact, writes to {directory}: stop it first"
        ) from None
    if not any(directory.iterdir()):
        directory.rmdir()


def now() -> str:
    """The time as it stands in ``session.json``: RFC 3339, UTC, microseconds."""
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
