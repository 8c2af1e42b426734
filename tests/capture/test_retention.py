# SPDX-License-Identifier: Apache-2.0
"""The oldest segments go, what they held is not forgotten, and the rest is untouched."""

import itertools
import os
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from snoop_capture import retention as removal
from snoop_capture.limits import Limits, Retention, Rotation
from snoop_capture.observer import Observer
from snoop_capture.retention import Keeper
from snoop_capture.sessions import new_session
from snoop_capture.storage import SessionWriter
from snoop_format.session import read_session, sealed_name, segments
from snoop_format.summary import KEYS, SUMMARY, SUMMARY_FILE, Dropped, read_dropped
from tests.capture.batches import batch, numbers
from tests.capture.recording import read_events

NEVER = Retention()
ALL = Retention(max_size=0)


class Removals(Observer):
    """Counts the segments that were removed."""

    def __init__(self) -> None:
        self.segments = 0

    def removed(self, segments: int, size: int) -> None:
        assert size > 0
        self.segments += segments


def recorded(
    capture: Path, name: str, count: int, retention: Retention = NEVER, **values: Any
) -> Path:
    """A session that has ended, of segments of 100 events each."""
    capture.mkdir(exist_ok=True)
    directory = capture / name
    directory.mkdir()
    limits = Limits(rotation=Rotation(rows=100), retention=retention)
    storage = SessionWriter(directory, {}, limits, Observer())
    for number in range(count):
        storage.write(batch(100 * number, 100, **values))
    assert storage.close(time.monotonic() + 60, dict)
    return directory


def numbered(directory: Path) -> list[int]:
    return [number for number, _ in segments(directory)]


def keep(directory: Path, retention: Retention) -> Removals:
    """Apply bounds to a session as its recorder does."""
    removals = Removals()
    keeper = Keeper(directory, retention, removals)
    keeper.remove_what_must_go(read_session(directory))
    keeper.close()
    return removals


def size(directory: Path) -> int:
    return sum(file.stat().st_size for file in directory.iterdir())


def test_nothing_is_removed_unless_asked(tmp_path: Path) -> None:
    session = recorded(tmp_path, "a", 5)
    keep(session, NEVER)
    assert numbered(session) == [1, 2, 3, 4, 5]


def test_the_oldest_go_until_the_rest_is_small_enough(tmp_path: Path) -> None:
    session = recorded(tmp_path, "a", 9)
    most = size(session) * 2 // 3
    removals = keep(session, Retention(max_size=most, keep_summary=False))
    left = numbered(session)
    assert left == list(range(10 - len(left), 10))
    assert removals.segments == 9 - len(left) > 0
    assert size(session) <= most < size(session) + 20_000


def test_room_that_is_kept_does_not_count(tmp_path: Path) -> None:
    session = recorded(tmp_path, "a", 3)
    keeper = Keeper(session, Retention(max_size=size(session)), Observer())
    for _ in range(2):  # the first one takes room for a summary
        keeper.remove_what_must_go(read_session(session))
    assert numbered(session) == [1, 2, 3]
    keeper.close()


def test_the_old_go(tmp_path: Path) -> None:
    session = recorded(tmp_path, "a", 4)
    for number, path in segments(session):
        if number <= 2:
            os.utime(path, (time.time() - 1000, time.time() - 1000))
    keep(session, Retention(max_age=900))
    assert numbered(session) == [3, 4]


@pytest.mark.bpf
def test_space_is_kept_free(small: Path) -> None:
    session = recorded(small, "a", 20)
    free = os.statvfs(small).f_bavail * os.statvfs(small).f_frsize
    keep(session, Retention(keep_free=free + 30_000, keep_summary=False))
    assert 0 < len(numbered(session)) < 20
    assert os.statvfs(small).f_bavail * os.statvfs(small).f_frsize >= free + 30_000


def test_the_session_says_what_is_gone(tmp_path: Path) -> None:
    session = recorded(tmp_path, "a", 3)
    sizes = [path.stat().st_size for _, path in segments(session)]
    for number, path in segments(session):
        os.utime(path, (number, time.time() if number == 3 else number))
    keep(session, Retention(max_age=900))
    said = read_session(session)
    assert read_dropped(session, said) == Dropped(
        segments=2,
        rows=200,
        summarized_rows=200,
        bytes=sum(sizes[:2]),
        last_segment=2,
        first_seq=0,
        last_seq=199,
        first_ts="1970-01-01T00:00:00+00:00",
        last_ts="1970-01-01T00:00:00.000199+00:00",
    )
    assert [entry["file"] for entry in said["segments"]] == ["events-00000003.parquet"]
    assert sum(numbers(read_events(session)["path"].to_pylist())) == sum(range(200, 300))


def test_what_is_removed_is_summarised(tmp_path: Path) -> None:
    """Against counting row by row, with names of every kind and unknown results."""
    capture = tmp_path / "capture"
    odd = {
        "path": "/a\\xff",
        "path_bytes": b"/a\xff",
        "base": None,
        "ret": None,
        "note": "blocked",
        "exe": None,
    }
    kinds: list[dict[str, Any]] = [
        {"path": "/same"},
        {"path": "/same", "ret": 9, "comm": "b"},
        {"path": "/same", "ret": -2},
        {"path": "b", "base": "/x", "real_path": "/y/b", "flags": 5, "path_role": "old"},
        odd,
        {"path": None, "note": "unreadable", "cgroup_id": 1 << 63},
    ]
    capture.mkdir()
    directory = new_session(capture, "a")
    limits = Limits(rotation=Rotation(rows=90))
    storage = SessionWriter(directory, {}, limits, Observer())
    for number in range(60):
        storage.write(batch(number, 30, **kinds[number % len(kinds)]))
    assert storage.close(time.monotonic() + 60, dict)
    expected: Counter[tuple[Any, ...]] = Counter()
    times: dict[tuple[Any, ...], list[Any]] = {}
    for row in read_events(directory).to_pylist():
        row["ret"] = 0 if row["ret"] is not None and row["ret"] >= 0 else row["ret"]
        row["comm"] = None if row["exe"] is not None else row["comm"]
        key = tuple(row[name] for name in KEYS)
        expected[key] += 1
        times.setdefault(key, []).append(row["ts"])
    for most in (size(directory) // 2, 0):  # in two steps: a summary grows
        keep(directory, Retention(max_size=most))
    assert numbered(directory) == []
    table = pq.read_table(directory / SUMMARY_FILE)
    assert table.schema.equals(SUMMARY)
    rows = table.to_pylist()
    found = {tuple(row[name] for name in KEYS): row for row in rows}
    assert len(found) == len(rows)
    assert {key: row["count"] for key, row in found.items()} == expected
    for key, row in found.items():
        assert (row["first_seen"], row["last_seen"]) == (min(times[key]), max(times[key]))
    assert read_dropped(directory, read_session(directory)).summarized_rows == 1800


def test_a_summary_of_before_a_column_was_added_is_added_to(tmp_path: Path) -> None:
    session = recorded(tmp_path, "a", 3)
    os.utime(session / "events-00000001.parquet", (1000, 1000))
    keep(session, Retention(max_age=900))
    with pq.ParquetFile(session / SUMMARY_FILE) as parquet:
        old = parquet.read().drop_columns("real_path_bytes")
        metadata = parquet.metadata.metadata
    said = {name: metadata[name] for name in metadata if name.startswith(b"snoop.")}
    pq.write_table(old.replace_schema_metadata(said), session / SUMMARY_FILE)
    keep(session, ALL)
    table = pq.read_table(session / SUMMARY_FILE)
    assert table.schema.names == SUMMARY.names
    assert pa.compute.sum(table["count"]).as_py() == 300


def test_a_damaged_summary_stops_removal_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    limits = Limits(rotation=Rotation(rows=100), retention=ALL)
    storage = SessionWriter(tmp_path / "a", {}, limits, Observer())
    (tmp_path / "a" / SUMMARY_FILE).write_bytes(b"PAR1")
    for number in range(2):
        storage.write(batch(100 * number, 100))
    assert storage.close(time.monotonic() + 60, dict)
    said = read_session(tmp_path / "a")
    assert [entry["rows"] for entry in said["segments"]] == [100, 100]
    assert said["ended_at"]


@pytest.mark.parametrize("step", ["summary", "session"])
def test_cut_short_it_is_finished_the_next_time(tmp_path: Path, step: str) -> None:
    """After the summary, or after session.json too, the recorder is killed."""
    session = recorded(tmp_path, "a", 3)
    before = {path: path.read_bytes() for path in session.iterdir()}
    keep(session, ALL)
    for path, data in before.items():
        if path.suffix == ".parquet" or (path.name == "session.json" and step == "summary"):
            path.write_bytes(data)
    keep(session, ALL)
    assert numbered(session) == []
    dropped = read_dropped(session, read_session(session))
    assert (dropped.rows, dropped.segments, dropped.last_segment) == (300, 3, 3)
    assert pa.compute.sum(pq.read_table(session / SUMMARY_FILE)["count"]).as_py() == 300
    assert read_session(session)["segments"] == []


@pytest.mark.parametrize("summarizes", [True, False])
@pytest.mark.parametrize("steps", range(6))
def test_cut_short_at_any_step_each_listed_segment_is_there_or_said_to_be_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, steps: int, summarizes: bool
) -> None:
    """Else a reader takes it for missing."""
    session = recorded(tmp_path, "a", 4)
    taken = itertools.count()

    def cut(step: Callable[..., Any]) -> Callable[..., Any]:
        def killed_or(*arguments: Any, **options: Any) -> Any:
            if next(taken) >= steps:
                raise KeyboardInterrupt
            return step(*arguments, **options)

        return killed_or

    for owner, name in (
        (removal, "write_summary"),
        (removal, "write_session"),
        (Path, "unlink"),
    ):
        monkeypatch.setattr(owner, name, cut(getattr(owner, name)))
    bounds = replace(ALL, max_size=size(session) // 2, keep_summary=summarizes)
    with suppress(KeyboardInterrupt):
        keep(session, bounds)
    monkeypatch.undo()
    said = read_session(session)
    dropped = read_dropped(session, said)
    there = {path.name for _, path in segments(session)}
    removed = {sealed_name(number) for number in range(1, 5) if dropped.holds(number)}
    assert {entry["file"] for entry in said["segments"]} <= there | removed


def test_sessions_that_have_ended_go_before_the_own_one(tmp_path: Path) -> None:
    old, own = recorded(tmp_path, "old", 3), recorded(tmp_path, "own", 3)
    for _, path in segments(old):
        os.utime(path, (1000, 1000))
    keep(own, Retention(max_age=900))
    assert (numbered(old), numbered(own)) == ([], [1, 2, 3])
    assert read_dropped(old, read_session(old)).summarized_rows == 300


def test_without_a_summary_nothing_is_left_of_them(tmp_path: Path) -> None:
    old, own = recorded(tmp_path, "old", 2), recorded(tmp_path, "own", 1)
    keep(own, replace(ALL, keep_summary=False))
    assert not old.exists()
    assert numbered(own) == []
    assert not (own / SUMMARY_FILE).exists()


def test_sessions_that_are_being_written_are_left_alone(tmp_path: Path) -> None:
    own = recorded(tmp_path, "own", 2)
    other = new_session_beside(own)
    storage = SessionWriter(other, {}, Limits(rotation=Rotation(rows=100)), Observer())
    for number in range(3):
        storage.write(batch(100 * number, 100))
    deadline = time.monotonic() + 30
    while not (other / "events-00000002.parquet").exists():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    keep(own, ALL)
    assert storage.close(time.monotonic() + 60, dict)
    assert numbered(own) == []
    assert numbers(read_events(other)["path"].to_pylist()) == list(range(300))


def new_session_beside(session: Path) -> Path:
    directory = session.parent / "other"
    directory.mkdir()
    return directory


def test_a_damaged_segment_goes_without_a_summary(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    session = recorded(tmp_path, "a", 2)
    (session / "events-00000001.parquet").write_bytes(b"PAR1")
    keep(session, ALL)
    assert numbered(session) == []
    dropped = read_dropped(session, read_session(session))
    assert (dropped.segments, dropped.summarized_rows) == (2, 100)
    assert "events-00000001.parquet is damaged, it goes without a summary" in caplog.text


def test_a_recorder_keeps_within_its_bounds(tmp_path: Path) -> None:
    most = 100_000
    directory = recorded(tmp_path, "a", 200, Retention(max_size=most), path="/one")
    assert size(directory) <= most
    said = read_session(directory)
    dropped = read_dropped(directory, said)
    table = read_events(directory)
    assert dropped.rows > 0
    assert dropped.rows + table.num_rows == 20_000
    assert dropped.last_seq is not None
    assert table["seq"].to_pylist() == list(range(dropped.last_seq + 1, 20_000))
    assert not list(directory.glob("*.tmp"))


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Path]:
    point = tmp_path / "disk"
    point.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "none", point], check=True)
    yield point
    subprocess.run(["umount", "-l", point], check=True)


@pytest.mark.bpf
def test_on_a_full_disk_there_is_space_for_the_summary(small: Path) -> None:
    session = recorded(small, "a", 30)
    keeper = Keeper(session, Retention(max_size=1 << 30), Observer())
    keeper.remove_what_must_go(read_session(session))  # keeps some space for later
    filling = ["dd", "if=/dev/zero", f"of={small}/filling", "bs=4k"]
    subprocess.run(filling, capture_output=True, check=False)
    keeper._retention = Retention(max_size=0)
    keeper.remove_what_must_go(read_session(session))
    assert numbered(session) == []
    assert pq.read_table(session / SUMMARY_FILE).num_rows == 3000
