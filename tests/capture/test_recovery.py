# SPDX-License-Identifier: Apache-2.0
"""The recorder is killed, again and again: nothing older than a flush is missing or there twice."""

import itertools
import multiprocessing
import os
import random
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from snoop_capture.limits import Limits, Rotation
from snoop_capture.observer import Observer
from snoop_capture.recovery import recover
from snoop_capture.storage import SessionWriter
from snoop_format.locks import LOCK_FILE
from snoop_format.segment import read_open
from snoop_format.session import open_name, read_session, sealed_name, segments, write_session
from tests.capture.batches import batch
from tests.capture.recording import read_events
from tests.capture.services import Service
from tests.capture.ticking import Ticking, recorded

KILLS = 50
LANES = 2  # recorders at once, each with a capture of its own
FLUSH = 0.2
LATE = 0.5  # seconds more than that: the machine has other work, too


@pytest.mark.bpf
@pytest.mark.timeout(600)
def test_killed_at_any_point(tree: Path, ticks: Ticking, capture: Path) -> None:
    with ThreadPoolExecutor(LANES) as pool:
        places = [capture / f"lane-{number}" for number in range(LANES)]
        lanes = [pool.submit(lives, tree, place, KILLS // LANES) for place in places]
    for directory, begin, end in itertools.chain(*(lane.result() for lane in lanes)):
        session = read_session(directory)
        assert session["ended_at"] <= session["recovered_at"]
        assert session["losses"] == {}
        files = {file.name for file in directory.iterdir()}
        assert files == {"session.json", *(entry["file"] for entry in session["segments"])}
        made_then = ticks.between(begin, end)
        seen = recorded(directory)
        assert len(seen) == len(set(seen))
        assert made_then <= set(seen)
        assert len(made_then) > 100


def lives(tree: Path, capture: Path, kills: int) -> list[tuple[Path, float, float]]:
    """Kill recorders, and let one live: the sessions, and from when to when all must be there.

    Segments are so small that most kills come while one is sealed, renamed or begun.
    """
    small = ("--rotate-rows", "1000", "--flush-interval", str(FLUSH))
    chance = random.Random(capture.name)
    found = []
    for _ in range(kills):
        service = Service(capture, "cgroup", tree, *small)
        begin = time.time()
        time.sleep(FLUSH + LATE + chance.uniform(0.1, 0.5))
        end = time.time()
        service.process.send_signal(signal.SIGKILL)
        service.process.communicate()
        found.append((service.session, begin, end - FLUSH - LATE))
        seen = recorded(service.session)
        assert len(seen) == len(set(seen))
    Service(capture, "cgroup", tree, *small).stop()
    return found


def write_and_die(directory: Path, lost: dict[str, int]) -> None:
    """Write a segment of 100 events and an open one of 99, and be killed."""
    limits = Limits(rotation=Rotation(rows=100))
    storage = SessionWriter(directory, {}, limits, Observer(), lost=lambda: lost)
    storage.write(batch(0, 100))
    while not read_session(directory)["segments"]:
        time.sleep(0.01)
    storage.write(batch(100, 50))
    storage.write(batch(150, 49))
    os.kill(os.getpid(), signal.SIGKILL)


def killed_session(directory: Path, lost: dict[str, int]) -> Path:
    directory.mkdir()
    spawning = multiprocessing.get_context("spawn")
    process = spawning.Process(target=write_and_die, args=(directory, lost))
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    process.close()
    return directory


@pytest.fixture
def killed(tmp_path: Path) -> Path:
    """A session with a sealed and an open segment, of 199 events in all, whose writer is gone."""
    return killed_session(tmp_path / "killed", {})


def check_recovered(directory: Path, rows: int = 199) -> None:
    session = read_session(directory)
    assert session["recovered_at"] > session["ended_at"] > session["started_at"]
    table = read_events(directory)
    assert table["seq"].to_pylist() == list(range(rows))
    assert sum(entry["rows"] for entry in session["segments"]) == rows
    assert {path.suffix for _, path in segments(directory)} == {".parquet"}
    assert {file.name for file in directory.iterdir()} == {
        "session.json",
        *(entry["file"] for entry in session["segments"]),
    }


def test_an_open_segment_is_sealed(killed: Path) -> None:
    recover(killed.parent)
    check_recovered(killed)


def test_what_stands_behind_the_last_commit_goes(killed: Path) -> None:
    with (killed / open_name(2)).open("ab") as file:
        file.write(b"\xff" * 100)
    recover(killed.parent)
    check_recovered(killed)


def test_a_damaged_segment_is_left_as_it_is(killed: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Sealed, nothing would tell that it lacks events."""
    data = bytearray((killed / open_name(2)).read_bytes())
    data[data.index(b"snoop.crc32") - 200] ^= 1
    (killed / open_name(2)).write_bytes(data)
    recover(killed.parent)
    assert "events-00000002.arrows is damaged" in caplog.text
    assert (killed / open_name(2)).read_bytes() == data
    assert read_session(killed)["ended_at"] is None


def test_killed_between_the_steps_of_sealing(killed: Path) -> None:
    """The segment is there twice, session.json does not list it, a temporary file is left."""
    again = killed / open_name(1)
    with pa.OSFile(str(again), "wb") as file:
        file.write(b"no segment any more")
    (killed / "events-00000002.parquet.tmp").write_bytes(b"PAR1")
    session = (killed / "session.json").read_text().replace(sealed_name(1), "other")
    (killed / "session.json").write_text(session)
    recover(killed.parent)
    check_recovered(killed)


def test_what_was_lost_is_known_by_the_segment(tmp_path: Path) -> None:
    directory = killed_session(tmp_path / "killed", {"ring_full": 4})
    assert read_open(directory / open_name(2)).counts["losses"] == {"ring_full": 4}
    write_session(directory, read_session(directory) | {"losses": {}})
    recover(tmp_path)
    check_recovered(directory)
    assert read_session(directory)["losses"] == {"ring_full": 4}
    metadata = pq.read_metadata(directory / sealed_name(2)).metadata
    assert metadata[b"snoop.losses"] == b'{"ring_full": 4}'


def test_the_times_of_files_are_those_of_their_events(killed: Path) -> None:
    written = (killed / open_name(2)).stat().st_mtime
    recover(killed.parent)
    assert abs((killed / sealed_name(2)).stat().st_mtime - written) < 0.001


@pytest.mark.parametrize("damage", ["empty", "no JSON"])
def test_one_that_is_damaged_is_said_and_the_others_recovered(
    killed: Path, caplog: pytest.LogCaptureFixture, damage: str
) -> None:
    other = killed.with_name("a")
    other.mkdir()
    (other / LOCK_FILE).touch()
    (other / "session.json").write_text("" if damage == "empty" else "{")
    recover(killed.parent)
    check_recovered(killed)
    assert "cannot recover the session a: " in caplog.text


def test_sessions_of_others_are_left_alone(killed: Path) -> None:
    (killed / LOCK_FILE).unlink()  # written by a program that does not lock
    before = {path: path.read_bytes() for path in killed.iterdir()}
    recover(killed.parent)
    assert {path: path.read_bytes() for path in killed.iterdir()} == before
