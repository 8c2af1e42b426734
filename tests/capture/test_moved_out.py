# SPDX-License-Identifier: Apache-2.0
"""Processes that go on in cgroups that are not recorded are counted: nothing else is of them."""

import subprocess
from pathlib import Path

import pytest

from snoop_capture import cgroups
from tests.capture.conftest import Build
from tests.capture.recording import Recorder, Recording
from tests.capture.services import Service
from tests.capture.trees import inside, made

pytestmark = pytest.mark.bpf

WARNING = "snoop-capture: warning: moved out of the recorded cgroups, unrecorded from there: "


def counted(recording: Recording) -> int:
    number = recording.session.get("moved_out", 0)
    assert recording.stderr.count(WARNING) <= number
    assert (WARNING in recording.stderr) == bool(number)
    return int(number)


def test_one_that_moves_itself(record: Recorder, tree: Path) -> None:
    script = "cat /no/before; echo $$ > $0/cgroup.procs; cat /no/after; true"
    recording = record(["sh", "-c", script, str(made(tree / "other"))])
    assert counted(recording) == 1
    assert "/no/before" in recording.paths
    assert "/no/after" not in recording.paths
    assert f"{WARNING}1 process so far\n" in recording.stderr


def test_one_that_another_moves(record: Recorder, tree: Path) -> None:
    script = "sleep 0.2 & echo $! > $0/cgroup.procs; sleep 0.2 & echo $! > $0/cgroup.procs; wait"
    recording = record(["sh", "-c", script, str(made(tree / "other"))])
    assert counted(recording) == 2


def test_one_that_is_started_there(record: Recorder, tree: Path, build: Build) -> None:
    recording = record([build("cloned"), str(made(tree / "other")), "/no/such/file"])
    assert recording.code == 0
    assert counted(recording) == 1
    assert "/no/such/file" not in recording.paths


def test_within_what_is_recorded_all_may_move(record: Recorder) -> None:
    script = """
        own=$0$(sed -n 's/^0:://p' /proc/self/cgroup)
        mkdir -p $own/a/b $own/c
        for place in a/b c a; do echo $$ > $own/$place/cgroup.procs; done
        cat /no/after || true
    """
    recording = record(["sh", "-ec", script, str(cgroups.mount_point())])
    assert recording.code == 0
    assert counted(recording) == 0
    assert "/no/after" in recording.paths


def test_what_is_left_running_does_not_count_twice(record: Recorder) -> None:
    recording = record(["sh", "-c", "sleep 1 >/dev/null 2>&1 &"])
    assert recording.session["left_running"]
    assert counted(recording) == 0


def test_one_that_others_move(tree: Path, capture: Path) -> None:
    """Those of which nothing is recorded may move as they like."""
    places = [made(tree / name) for name in ("recorded", "other", "third")]
    service = Service(capture, "cgroup", places[0])
    sleepers = [subprocess.Popen(inside(place, "sleep", "60")) for place in places[:2]]
    for sleeper in sleepers:
        while Path(f"/proc/{sleeper.pid}/comm").read_text() != "sleep\n":
            assert sleeper.poll() is None
    for place in (places[2], places[1], places[0], places[1]):
        for sleeper in sleepers:
            (place / "cgroup.procs").write_text(str(sleeper.pid))
    recording = service.stop()
    for sleeper in sleepers:
        sleeper.kill()
        sleeper.wait()
    assert recording.session["moved_out"] == 3  # the one twice, the other once


def test_what_is_left_out_is_not_recorded_either(tree: Path, capture: Path) -> None:
    """The recorder's own cgroup lies in the recorded one, and others may get there."""
    recorder = made(tree / "all" / "recorder")
    service = Service(capture, "cgroup", tree / "all", cgroup=recorder)
    script = "echo $$ > $0/cgroup.procs; cat /no/after; true"
    subprocess.run(inside(made(tree / "all" / "app"), "sh", "-c", script, str(recorder)))
    recording = service.stop()
    assert recording.session["moved_out"] == 1
    assert "/no/after" not in recording.paths
