# SPDX-License-Identifier: Apache-2.0
"""A call that a signal interrupts has no result of its own: neither a hit nor a miss."""

import os
from pathlib import Path

import pytest

from snoop_format.schema import RESTARTED
from tests.capture.conftest import Build
from tests.capture.recording import Recorder, Row

pytestmark = pytest.mark.bpf

EINTR = -4
SA_RESTART = "0x10000000"


def opens_for_reading(
    record: Recorder, build: Build, directory: Path, flags: str
) -> tuple[int, list[Row]]:
    """What the program saw of its open, and the rows of it."""
    fifo = directory / "fifo"
    os.mkfifo(fifo)
    recording = record([build("interrupted"), fifo, flags])
    assert recording.code == 0, recording.stderr
    rows = recording.where(path=str(fifo), syscall="openat", pid=recording.rows[0]["pid"])
    return int(recording.stdout), rows


def test_a_call_that_is_made_again(record: Recorder, build: Build, tmp_path: Path) -> None:
    result, rows = opens_for_reading(record, build, tmp_path, SA_RESTART)
    first, second = rows
    assert (first["ret"], first["note"]) == (None, RESTARTED)
    assert (second["ret"], second["note"]) == (result, None)
    assert result > 2


def test_a_call_that_ends(record: Recorder, build: Build, tmp_path: Path) -> None:
    result, (row,) = opens_for_reading(record, build, tmp_path, "0")
    assert (row["ret"], row["note"]) == (None, RESTARTED)
    assert result == EINTR
