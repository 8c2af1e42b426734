# SPDX-License-Identifier: Apache-2.0
"""Finishes the sessions of recorders that were killed: their open segments are sealed."""

import logging
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from snoop_capture.sessions import now, sessions_in
from snoop_format.errors import FormatError
from snoop_format.locks import LOCK_FILE, SessionLock
from snoop_format.segment import committed, is_damaged, last_counts, seal
from snoop_format.session import (
    read_session,
    sealed_name,
    segment_entry,
    segment_metadata,
    segments,
    write_session,
)

_log = logging.getLogger(__name__)


def recover(capture: Path) -> None:
    """Seal what recorders in a capture left open that are no longer there.

    Sessions that somebody writes to are left alone, and so are those without a lock: who wrote
    them is not known. What cannot be recovered now is left as it is, readable up to its last
    commit.
    """
    for directory in sessions_in(capture):
        if not (directory / LOCK_FILE).exists():
            continue
        try:
            with SessionLock(directory):
                _recover(directory)
        except BlockingIOError:
            continue
        except (OSError, FormatError, pa.ArrowException) as error:
            _log.warning("cannot recover the session %s: %s", directory.name, error)


def _recover(directory: Path) -> None:
    said = read_session(directory)
    if said.get("ended_at") is not None:
        return
    for temporary in directory.glob("*.tmp"):
        temporary.unlink()
    found = list(segments(directory))
    ended = max((path.stat().st_mtime for _, path in found), default=None)
    for number, path in found:
        if path.name == sealed_name(number):
            path.with_suffix(".arrows").unlink(missing_ok=True)
        else:
            _seal(directory, number, path, said)
    said["segments"] = [_entry(path) for _, path in segments(directory)]
    said["ended_at"] = _rfc3339(ended) if ended else said.get("started_at")
    said["recovered_at"] = now()
    write_session(directory, said)
    _log.info("recovered the session %s of a recorder that was killed", directory.name)


def _seal(directory: Path, number: int, path: Path, said: dict[str, Any]) -> None:
    """Seal an open segment, and take from it what the session had lost by then.

    Raises:
        FormatError: it is damaged: sealed, nobody would see what it lacks.
    """
    if is_damaged(path):
        raise FormatError(f"{path.name} is damaged; it is left as it is, readable up to there")
    time = path.stat().st_mtime
    counts = last_counts(path)
    for name, count in counts.get("losses", {}).items():
        losses = said.setdefault("losses", {})
        losses[name] = max(losses.get(name, 0), count)
    sealed = path.with_name(sealed_name(number))
    seal(committed(path), sealed, segment_metadata(directory.name, counts))
    os.utime(sealed, (time, time))  # its age is that of its events
    path.unlink()


def _entry(path: Path) -> dict[str, Any]:
    """What ``session.json`` says of a sealed segment."""
    with pq.ParquetFile(path) as parquet:
        seq = parquet.read(["seq"])["seq"]
    first, last = (seq[0].as_py(), seq[-1].as_py()) if len(seq) else (None, None)
    return segment_entry(path, len(seq), first, last)


def _rfc3339(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds")[:-6] + "Z"
