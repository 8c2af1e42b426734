# SPDX-License-Identifier: Apache-2.0
"""Segments are begun and sealed in time, whatever else there is to do."""

import errno
import json
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from snoop_capture.errors import CaptureError
from snoop_capture.limits import Limits, Rotation
from snoop_capture.observer import Observer
from snoop_capture.sessions import new_session
from snoop_capture.storage import SessionWriter
from snoop_format.locks import LOCK_FILE
from snoop_format.session import read_session, sealed_name, segment_entry, segments
from tests.capture.batches import batch, numbers
from tests.capture.recording import read_events


@pytest.fixture
def session(tmp_path: Path) -> Path:
    return new_session(tmp_path, "session")


def writer(session: Path, rotation: Rotation | None = None, **options: Any) -> SessionWriter:
    limits = Limits(flush=0.01, rotation=rotation or Rotation())
    return SessionWriter(session, {}, limits, Observer(), **options)


def close(storage: SessionWriter) -> None:
    assert storage.close(time.monotonic() + 60, dict)


def check_whole(session: Path, rows: int) -> None:
    """All is there, sealed and listed, and nothing else is."""
    table = read_events(session)
    assert table["seq"].to_pylist() == list(range(rows))
    assert numbers(table["path"].to_pylist()) == list(range(rows))
    listed = read_session(session)["segments"]
    found = [path for _, path in segments(session)]
    assert [entry["file"] for entry in listed] == [path.name for path in found]
    assert sum(entry["rows"] for entry in listed) == rows
    assert [entry["bytes"] for entry in listed] == [path.stat().st_size for path in found]
    assert {file.name for file in session.iterdir()} == {
        "session.json",
        *(entry["file"] for entry in listed),
    }


ROTATIONS = {
    "rows": Rotation(rows=250),
    "size": Rotation(size=20_000),
    "age": Rotation(seconds=0.05),
}


@pytest.mark.parametrize("reason", ROTATIONS)
def test_a_segment_is_sealed_and_the_next_one_begun(session: Path, reason: str) -> None:
    storage = writer(session, ROTATIONS[reason])
    for number in range(10):
        storage.write(batch(100 * number, 100))
        time.sleep(0.03)
        storage.tick()
    close(storage)
    assert len(list(segments(session))) >= 3
    check_whole(session, 1000)


def test_time_alone_makes_no_segments(session: Path) -> None:
    storage = writer(session, Rotation(seconds=0.001))
    storage.write(batch(0, 1))
    for _ in range(5):
        time.sleep(0.01)
        storage.tick()
    assert storage.segment == 2
    close(storage)
    check_whole(session, 1)


def test_nothing_recorded_is_a_segment_without_events(session: Path) -> None:
    close(writer(session))
    check_whole(session, 0)
    assert pq.read_table(session / sealed_name(1)).num_rows == 0


def test_what_is_asked_for_is_rotated(session: Path) -> None:
    storage = writer(session)
    storage.rotate()
    assert storage.segment == 1
    storage.write(batch(0, 5))
    storage.rotate()
    assert storage.segment == 2
    close(storage)
    check_whole(session, 5)


@pytest.mark.parametrize("removed", [False, True], ids=["both are", "only the sealed one is"])
def test_a_sealed_segment_that_cannot_be_read_back_is_listed_later(
    session: Path, monkeypatch: pytest.MonkeyPatch, removed: bool
) -> None:
    """A disk fails to read once, and somebody may remove the open segment then."""
    attempts = []

    def entry(path: Path, *arguments: Any) -> dict[str, Any]:
        attempts.append(path)
        if len(attempts) > 1:
            return segment_entry(path, *arguments)
        if removed:
            path.with_suffix(".arrows").unlink()
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr("snoop_capture.sealing.segment_entry", entry)
    storage = writer(session)
    storage.write(batch(0, 100))
    close(storage)
    assert len(attempts) == 2
    check_whole(session, 100)
    assert read_session(session)["losses"] == {}


@pytest.mark.parametrize("removed", ["room", "session"])
def test_room_that_is_gone_is_kept_again(session: Path, removed: str) -> None:
    storage = writer(session, Rotation(rows=100))
    spare = session / "session.spare.tmp"
    storage.write(batch(0, 50))
    storage.tick()
    if removed == "room":
        spare.unlink()
    else:
        while session.exists():  # something may be written to it meanwhile
            shutil.rmtree(session, ignore_errors=True)
    deadline = time.monotonic() + 30
    while not spare.exists():
        assert time.monotonic() < deadline
        storage.write(batch(0, 50))
        time.sleep(0.05)
    close(storage)
    assert not spare.exists()


def test_sealing_that_is_behind_holds_nothing_up(session: Path) -> None:
    """Row groups that find no room are made from the segment's file."""
    storage = writer(session, Rotation(rows=200_000), hurry=lambda: True)
    storage.do(lambda: time.sleep(1))
    started = time.monotonic()
    for number in range(50):
        storage.write(batch(10_000 * number, 10_000))
    assert time.monotonic() - started < 60
    close(storage)
    check_whole(session, 500_000)


def test_a_row_group_that_cannot_be_made_is_made_from_the_file(session: Path) -> None:
    storage = writer(session)
    (session / f"{sealed_name(1)}.tmp").unlink()  # the unfinished Parquet file
    storage.write(batch(0, 100))
    close(storage)
    check_whole(session, 100)


def test_a_segment_says_what_was_lost_by_then(session: Path) -> None:
    lost = {"ring_full": 0}
    storage = writer(session, lost=lambda: lost)
    storage.extra = {"clock_offset_ns": 5}
    storage.write(batch(0, 1, note="unreadable"))
    storage.rotate()
    lost["ring_full"] = 3
    storage.write(batch(1, 1))
    close(storage)
    said = [pq.read_metadata(path).metadata for _, path in segments(session)]
    assert [json.loads(one[b"snoop.losses"]) for one in said] == [{}, {"ring_full": 3}]
    assert [json.loads(one[b"snoop.defects"]) for one in said] == [{"unreadable": 1}] * 2
    assert {one[b"snoop.clock_offset_ns"] for one in said} == {b"5"}
    assert read_session(session)["losses"] == {"ring_full": 3}


def test_the_session_says_soon_what_was_lost(session: Path) -> None:
    lost = {"ring_full": 0}
    storage = writer(session, lost=lambda: lost)
    lost["ring_full"] = 2
    deadline = time.monotonic() + 30
    while read_session(session)["losses"] != {"ring_full": 2}:
        assert time.monotonic() < deadline
        time.sleep(0.1)
        storage.tick()
    close(storage)


@pytest.fixture
def open_session(session: Path) -> Iterator[Path]:
    storage = writer(session)
    yield session
    close(storage)


def test_another_recorder_is_refused(open_session: Path) -> None:
    assert (open_session / LOCK_FILE).exists()
    with pytest.raises(CaptureError, match="another recorder writes to "):
        writer(open_session)


def test_a_session_that_is_being_written_is_not_replaced(open_session: Path) -> None:
    with pytest.raises(CaptureError, match=r"another recorder, .*, writes to .*: stop it first"):
        new_session(open_session.parent, "other")
    assert (open_session / "session.json").exists()
