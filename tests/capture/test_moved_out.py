# SPDX-License-Identifier: Apache-2.0
"""Processes that go on in cgroups that are not recorded are counted: nothing else is of them."""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from snoop_capture import cgroups
from tests.capture.conftest import Build
from tests.capture.recording import Recorder, Recording
from tests.capture.services import Service
from tests.capture.trees import inside, made

pytestmark = pytest.mark.bpf

WARNING = "snoop-capture: warning: moved out of the recorded cgroups, unrecorded from there: "


@pytest.fixture
def old_tree(tree: Path) -> Iterator[Path]:
    """A cgroup in a tree of cgroup v1; where none is mounted, one of v2."""
    freezer = cgroups.mount_point().parent / "freezer"
    if not (freezer / "cgroup.procs").exists():
        yield made(tree / "old")
        return
    group = made(freezer / tree.name)
    yield group
    while (group / "cgroup.procs").read_text():
        time.sleep(0.01)
    group.rmdir()


def counted(recording: Recording) -> int:
    number = recording.session.get("moved_out", 0)
    assert recording.stderr.count(WARNING) <= number
    assert (WARNING in recording.stderr) == bool(number)
    return int(number)


def await_name(process: subprocess.Popen[bytes], name: str) -> None:
    while Path(f"/proc/{process.pid}/comm").read_text() != f"{name}\n":
        assert process.poll() is None


def end(*processes: subprocess.Popen[bytes]) -> None:
    for process in processes:
        process.kill()
        process.wait()


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
    recording = record([build("cloned"), str(made(tree / "other")), "cat", "/no/such/file"])
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


@pytest.mark.parametrize("recorded", [True, False])
def test_what_moves_on_outside_does_not_count(
    record: Recorder, tree: Path, old_tree: Path, recorded: bool
) -> None:
    """Whoever moves it, and whether elsewhere, to where it is, or in a tree of cgroup v1."""
    other, third = (made(tree / name) for name in ("other", "third"))
    began = subprocess.Popen(inside(other, "sleep", "60"))
    await_name(began, "sleep")
    script = """
        if [ $4 = True ]; then sleep 60 & moving=$!; else moving=$3; fi
        for place in $0 $0 $1 $2; do echo $moving > $place/cgroup.procs; done
        [ $4 != True ] || kill $moving
    """
    words = [*map(str, (other, third, old_tree, began.pid)), str(recorded)]
    recording = record(["sh", "-ec", script, *words])
    end(began)
    assert recording.code == 0
    assert counted(recording) == recorded


def test_one_that_others_move(tree: Path, capture: Path) -> None:
    """Those of which nothing is recorded may move as they like."""
    places = [made(tree / name) for name in ("recorded", "other", "third")]
    service = Service(capture, "cgroup", places[0])
    sleepers = [subprocess.Popen(inside(place, "sleep", "60")) for place in places[:2]]
    for sleeper in sleepers:
        await_name(sleeper, "sleep")
    for place in (places[2], places[1], places[0], places[1]):
        for sleeper in sleepers:
            (place / "cgroup.procs").write_text(str(sleeper.pid))
    recording = service.stop()
    end(*sleepers)
    assert recording.session["moved_out"] == 3  # the one twice, the other once


@pytest.mark.parametrize("words", [[], ["sleep", "60"]])
def test_one_whose_first_thread_ended(
    tree: Path, capture: Path, build: Build, words: list[str]
) -> None:
    recorded, other = (made(tree / name) for name in ("recorded", "other"))
    service = Service(capture, "cgroup", recorded)
    process = subprocess.Popen(inside(recorded, build("second"), *words))
    await_name(process, words[0] if words else "second")
    while not words and "State:\tZ" not in Path(f"/proc/{process.pid}/status").read_text():
        assert process.poll() is None
    (other / "cgroup.procs").write_text(str(process.pid))
    recording = service.stop()
    end(process)
    assert recording.session["moved_out"] == 1


def test_one_that_others_started(tree: Path, capture: Path, build: Build) -> None:
    recorded, other = (made(tree / name) for name in ("recorded", "other"))
    service = Service(capture, "cgroup", recorded)
    script = "echo $$ > $0/cgroup.procs"
    subprocess.run([build("cloned"), recorded, "sh", "-c", script, other], check=True)
    assert service.stop().session["moved_out"] == 1


@pytest.mark.parametrize("by_itself", [True, False])
def test_one_that_was_there_before(tree: Path, capture: Path, by_itself: bool) -> None:
    recorded, other = (made(tree / name) for name in ("recorded", "other"))
    script = "read word && echo $$ > $0/cgroup.procs && echo && read word"
    waiting = inside(recorded, "sh", "-c", script, str(other))
    with subprocess.Popen(waiting, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin
        assert process.stdout
        while str(process.pid) not in (recorded / "cgroup.procs").read_text().split():
            assert process.poll() is None
        service = Service(capture, "cgroup", recorded)
        if by_itself:
            process.stdin.write(b"go\n")
            process.stdin.flush()
            process.stdout.readline()
        else:
            (other / "cgroup.procs").write_text(str(process.pid))
        recording = service.stop()
    assert recording.session["moved_out"] == 1


def test_what_is_left_out_is_not_recorded_either(tree: Path, capture: Path) -> None:
    """The recorder's own cgroup lies in the recorded one, and others may get there."""
    recorder = made(tree / "all" / "recorder")
    service = Service(capture, "cgroup", tree / "all", cgroup=recorder)
    script = "echo $$ > $0/cgroup.procs; cat /no/after; true"
    subprocess.run(inside(made(tree / "all" / "app"), "sh", "-c", script, str(recorder)))
    recording = service.stop()
    assert recording.session["moved_out"] == 1
    assert "/no/after" not in recording.paths
