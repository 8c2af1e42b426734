# SPDX-License-Identifier: Apache-2.0
"""The recorder is killed: what it had written stays, and the command goes on."""

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from snoop_capture import cgroups
from snoop_format.segment import read_open
from snoop_format.session import open_name, read_session, sealed_name, segments
from tests.capture.recording import Recorder, Recording, read_events
from tests.capture.services import Service
from tests.capture.trees import made

pytestmark = pytest.mark.bpf


@pytest.fixture
def killed(record: Recorder, tmp_path: Path) -> Iterator[tuple[Recording, int]]:
    """A recording whose recorder got SIGKILL after a flush, and the pid of its command."""
    loop = f"while [ ! -e {tmp_path}/end ]; do :; done"
    script = f"cat /before/the/kill 2>/dev/null; echo $$; {loop}"
    with record.start(["sh", "-c", script], "--flush-interval", "0.05") as running:
        pid = int(running.line())
        wait_for_rows(running.capture, 50)
        running.process.send_signal(signal.SIGKILL)
        running.process.wait(10)
        recording = Recording(running.capture, running.process.returncode, b"", "")
        yield recording, pid
        (tmp_path / "end").touch()
        remove(cgroup_of(recording))


def cgroup_of(recording: Recording) -> Path:
    return cgroups.own() / f"snoop-{recording.directory.name}"


def remove(cgroup: Path) -> None:
    """Remove a cgroup once the command in it has ended."""
    deadline = time.monotonic() + 20
    while cgroup.exists():
        assert time.monotonic() < deadline, "the command does not end"
        with contextlib.suppress(OSError):
            cgroup.rmdir()
        time.sleep(0.02)


def wait_for_rows(capture: Path, count: int) -> None:
    deadline = time.monotonic() + 20
    while sum(read_open(file).rows for file in capture.glob("*/*.arrows")) < count:
        assert time.monotonic() < deadline, "nothing on disk"
        time.sleep(0.05)


def test_the_open_segment_is_readable(killed: tuple[Recording, int]) -> None:
    recording, _ = killed
    assert [path.name for _, path in segments(recording.directory)] == [open_name(1)]
    table = read_events(recording.directory)
    assert table.num_rows >= 50
    assert "/before/the/kill" in table.column("path").to_pylist()
    assert table.column("seq").to_pylist() == list(range(table.num_rows))


def test_the_session_says_that_it_did_not_end(killed: tuple[Recording, int]) -> None:
    recording, _ = killed
    session = read_session(recording.directory)
    assert (session["ended_at"], session["command"][0]) == (None, "sh")


def test_the_session_names_the_container(killed: tuple[Recording, int]) -> None:
    """Without that its events would be of nobody."""
    recording, _ = killed
    (container,) = read_session(recording.directory)["containers"]
    assert container["name"] == "sh"
    assert recording.table.column("cgroup_id").unique().to_pylist() == [container["cgroup_id"]]


def test_the_command_goes_on_in_its_cgroup(killed: tuple[Recording, int]) -> None:
    recording, pid = killed
    os.kill(pid, 0)
    assert (cgroup_of(recording) / "cgroup.procs").read_text().split() == [str(pid)]


def test_the_next_recording_removes_the_cgroup(
    killed: tuple[Recording, int], record: Recorder
) -> None:
    """Once the command has ended: with the cgroups that this made, and with no others."""
    recording, pid = killed
    cgroup = cgroup_of(recording)
    (cgroup / "below").mkdir()
    assert record(["true"]).code == 0
    assert (cgroup / "below").exists()
    with record.start(["sh", "-c", "echo; read line"]) as other:
        other.line()
        os.kill(pid, signal.SIGKILL)
        for one in (cgroup, cgroup_of(Recording(other.capture, 0, b"", ""))):
            os.utime(one, (0, 0))  # those just made are left alone
        deadline = time.monotonic() + 20
        while cgroup.exists():
            assert time.monotonic() < deadline, "the cgroup stays"
            assert record(["true"]).code == 0
        assert cgroup_of(Recording(other.capture, 0, b"", "")).exists()
        assert other.finish(b"\n").code == 0


def test_the_next_run_refuses_the_directory(
    killed: tuple[Recording, int], record: Recorder
) -> None:
    """And leaves it alone, unless it is told to replace the capture."""
    recording, _ = killed
    before = sorted(recording.directory.iterdir())
    again = record(["true"], "-o", str(recording.capture))
    assert (again.code, "already holds a capture" in again.stderr) == (1, True)
    assert sorted(recording.directory.iterdir()) == before
    assert record(["true"], "-o", str(recording.capture), "--force").code == 0
    assert not recording.directory.exists()
    assert len(list(recording.capture.iterdir())) == 1


def test_the_next_recorder_of_cgroups_seals_it(killed: tuple[Recording, int], tree: Path) -> None:
    recording, _ = killed
    rows = recording.table.num_rows
    Service(recording.capture, "cgroup", made(tree / "a")).stop()
    assert read_session(recording.directory)["ended_at"]
    files = {file.name for file in recording.directory.iterdir()}
    assert files == {"session.json", sealed_name(1)}
    assert read_events(recording.directory).num_rows == rows


def test_nothing_is_recorded_after_the_kill(killed: tuple[Recording, int]) -> None:
    recording, _ = killed
    segment = recording.directory / open_name(1)
    size = segment.stat().st_size
    time.sleep(0.3)
    assert segment.stat().st_size == size
