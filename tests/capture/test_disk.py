# SPDX-License-Identifier: Apache-2.0
"""The disk is full, read-only or gone: events wait, or are counted; what is written stays."""

import logging
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from snoop_capture.limits import Limits, Rotation
from snoop_capture.observer import Observer
from snoop_capture.sessions import new_session
from snoop_capture.storage import SessionWriter
from snoop_format.session import read_session
from tests.capture.batches import batch, numbers
from tests.capture.conftest import Build
from tests.capture.recording import read_events
from tests.capture.services import Service
from tests.capture.ticking import Ticking, recorded
from tests.capture.trees import inside

pytestmark = pytest.mark.bpf  # that is, root: to mount

PATIENCE = 60


class Failures(Observer):
    """Keeps the kinds of errors that it is told of."""

    def __init__(self) -> None:
        self.kinds: set[str] = set()

    def failed(self, kind: str) -> None:
        self.kinds.add(kind)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small file system."""
    point = tmp_path / "disk"
    point.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", point], check=True)
    yield point
    subprocess.run(["umount", "-l", point], check=True)


@pytest.fixture
def failures() -> Failures:
    return Failures()


def writer(disk: Path, failures: Failures, queue_bytes: int = 64 << 20) -> SessionWriter:
    limits = Limits(flush=0.01, queue_bytes=queue_bytes, rotation=Rotation(rows=500))
    return SessionWriter(new_session(disk, "session"), {}, limits, failures)


def fill(disk: Path) -> Path:
    """Take all the space there is."""
    file = disk / "filling"
    subprocess.run(["dd", "if=/dev/zero", f"of={file}", "bs=4k"], capture_output=True, check=False)
    return file


def until_written(storage: SessionWriter) -> None:
    deadline = time.monotonic() + PATIENCE
    while storage.failure is not None or storage.queued != (0, 0):
        assert time.monotonic() < deadline
        time.sleep(0.05)
        storage.tick()


def await_file(path: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while not path.exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def close(storage: SessionWriter) -> None:
    assert storage.close(time.monotonic() + PATIENCE, dict)


def test_when_there_is_space_again_nothing_is_missing(
    disk: Path, failures: Failures, caplog: pytest.LogCaptureFixture
) -> None:
    storage = writer(disk, failures)
    for number in range(0, 1000, 100):
        storage.write(batch(number, 100))
    filling = fill(disk)
    for number in range(1000, 9000, 100):
        storage.write(batch(number, 100))
    assert storage.failure == "No space left on device"
    assert storage.queued[0] > 0
    before = read_events(storage.directory)["seq"].to_pylist()
    assert before == list(range(len(before)))
    assert len(before) >= 1000
    filling.unlink()
    until_written(storage)
    close(storage)
    assert numbers(read_events(storage.directory)["path"].to_pylist()) == list(range(9000))
    assert read_session(storage.directory)["losses"] == {}
    assert failures.kinds == {"ENOSPC"}
    said = [r.message for r in caplog.records if r.levelno == logging.ERROR]
    assert len(said) == 1  # once, not at every attempt
    assert said[0].startswith(
        f"cannot write to {storage.directory}: No space left on device; events wait in"
    )
    assert "the capture is written again; nothing was lost meanwhile" in caplog.text


def test_what_finds_no_room_is_counted(disk: Path, failures: Failures) -> None:
    storage = writer(disk, failures, queue_bytes=100_000)
    filling = fill(disk)
    for number in range(0, 9000, 100):
        storage.write(batch(number, 100, cgroup_id=7 + number % 200 // 100))
    lost = storage.losses["not_written"]
    assert storage.events + storage.queued[0] + lost == 9000
    assert storage.queued[1] <= 100_000
    assert sum(one["not_written"] for one in storage.lost_by_cgroup.values()) == lost
    assert storage.lost_by_cgroup.keys() == {7, 8}
    filling.unlink()
    until_written(storage)
    storage.write(batch(9000, 100))
    close(storage)
    table = read_events(storage.directory)
    assert table["seq"].to_pylist() == list(range(9100 - lost))
    assert numbers(table["path"].to_pylist())[-100:] == list(range(9000, 9100))
    assert read_session(storage.directory)["losses"] == {"not_written": lost}


def test_a_disk_that_stays_full_is_no_end_without_an_end(disk: Path, failures: Failures) -> None:
    storage = writer(disk, failures)
    storage.write(batch(0, 100))
    fill(disk)
    for number in range(100, 9000, 100):
        storage.write(batch(number, 100))
    started = time.monotonic()
    assert not storage.close(started + 0.5, dict)
    assert time.monotonic() - started < 5
    written = read_events(storage.directory)["seq"].to_pylist()
    assert written == list(range(storage.events))
    assert storage.events + storage.losses["not_written"] == 9000


def test_a_volume_that_is_read_only_for_a_while(disk: Path, failures: Failures) -> None:
    storage = writer(disk, failures)
    directory = storage.directory
    storage.write(batch(0, 100))
    # A file that is open for writing keeps its file system from becoming read-only; the directory
    # is mounted once more, so that no file can be made in it.
    subprocess.run(["mount", "--bind", directory, directory], check=True)
    subprocess.run(["mount", "-o", "remount,bind,ro", directory], check=True)
    for number in range(100, 3000, 100):
        storage.write(batch(number, 100))
    assert storage.failure == "Read-only file system"
    subprocess.run(["umount", directory], check=True)
    until_written(storage)
    close(storage)
    assert numbers(read_events(directory)["path"].to_pylist()) == list(range(3000))
    assert read_session(directory)["losses"] == {}
    assert "EROFS" in failures.kinds


@pytest.mark.parametrize("removed", ["session", "file"])
def test_what_somebody_removes_is_counted(disk: Path, failures: Failures, removed: str) -> None:
    storage = writer(disk, failures)
    storage.write(batch(0, 100))
    storage.tick()
    if removed == "session":
        while storage.directory.exists():  # session.json may be written again meanwhile
            shutil.rmtree(storage.directory, ignore_errors=True)
    else:
        (storage.directory / "events-00000001.arrows").unlink()
    time.sleep(0.05)
    storage.write(batch(100, 100))  # goes where the others went: it is noticed at the next flush
    time.sleep(0.05)
    storage.tick()
    storage.write(batch(200, 100))
    until_written(storage)
    storage.write(batch(300, 100))
    close(storage)
    table = read_events(storage.directory)
    lost = read_session(storage.directory)["losses"]["removed"]
    assert table.num_rows + lost == 400
    assert numbers(table["path"].to_pylist())[-200:] == list(range(200, 400))
    assert failures.kinds <= {"ENOENT"}


@pytest.mark.parametrize("sealed", [True, False])
def test_a_directory_that_is_removed_and_cannot_be_made_again(
    tree: Path, capture: Path, build: Build, sealed: bool
) -> None:
    """For the recorder is root no more: all is lost, and it says so."""
    service = Service(capture, "cgroup", tree, "--shutdown-timeout", "1")
    calls = inside(tree, build("calls"), "100", "1", "1", "/a")
    subprocess.run(calls, check=True)
    if sealed:
        time.sleep(1.5)
        service.process.send_signal(signal.SIGHUP)
        await_file(service.session / "events-00000001.parquet")
    shutil.rmtree(capture)
    for _ in range(2):  # into the files that are removed; while it knows that they are
        subprocess.run(calls, check=True)
        time.sleep(1.5)
    done = service.stop()
    assert done.code == 1
    said = re.search(r"warning: 0 events, (\d+) lost \((\d+) not_written, (\d+) rem", done.stderr)
    assert said, done.stderr
    lost, not_written, removed = map(int, said.groups())
    assert lost == not_written + removed == 3 * removed // 2
    assert lost >= 300
    assert f"the capture {service.session} ends early: it was removed, and cannot be" in done.stderr
    assert "readable" not in done.stderr


def test_a_file_that_is_removed_just_before_the_end(disk: Path, failures: Failures) -> None:
    storage = writer(disk, failures)
    storage.write(batch(0, 100))
    (storage.directory / "events-00000001.arrows").unlink()
    close(storage)
    session = read_session(storage.directory)
    assert (session["losses"], session["segments"]) == ({"removed": 100}, [])


def test_a_directory_that_is_removed_just_before_the_end(disk: Path, failures: Failures) -> None:
    storage = writer(disk, failures)
    storage.write(batch(0, 600))
    await_file(storage.directory / "events-00000001.parquet")
    storage.write(batch(600, 100))
    shutil.rmtree(storage.directory)
    close(storage)
    session = read_session(storage.directory)
    assert (session["losses"], session["segments"]) == ({"removed": 700}, [])


@pytest.fixture
def freezer(tmp_path: Path, capture: Path) -> Iterator[Path]:
    """A file system on a block device, which can be frozen; as a capture directory."""
    image = tmp_path / "image"
    with image.open("wb") as file:
        file.truncate(256 << 20)
    subprocess.run(["mkfs.ext4", "-q", image], check=True)
    capture.mkdir()
    subprocess.run(["mount", "-o", "loop", image, capture], check=True)
    yield capture
    subprocess.run(["umount", "-l", capture], check=True)


def test_while_the_disk_hangs_events_wait_in_memory(
    tree: Path, ticks: Ticking, freezer: Path
) -> None:
    """For longer than the ring lasts, which here has room for a second."""
    service = Service(freezer, "cgroup", tree, "--ring-buffer-size", "3M")
    begin = time.time()
    time.sleep(1)
    subprocess.run(["fsfreeze", "--freeze", freezer], check=True)
    try:
        time.sleep(4)
    finally:
        subprocess.run(["fsfreeze", "--unfreeze", freezer], check=True)
    time.sleep(1)
    end = time.time()
    service.stop()
    assert read_session(service.session)["losses"] == {}
    seen = recorded(service.session)
    assert len(seen) == len(set(seen))
    assert ticks.between(begin, end) <= set(seen)
