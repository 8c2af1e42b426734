# SPDX-License-Identifier: Apache-2.0
"""Cgroups that appear, restart or nest while recording are seen from their first event."""

import os
from collections.abc import Iterator
from pathlib import Path, PurePath

import pytest

from snoop_capture.cgroups import CommandCgroup
from snoop_capture.run import _Containers
from tests.capture.recording import Recorder, Recording
from tests.capture.trees import inside, made

pytestmark = pytest.mark.bpf

FIND_OWN = """
    mount=$(sed -n 's/.* \\([^ ]*\\) [^ ]* - cgroup2 .*/\\1/p' /proc/self/mountinfo | head -1)
    own=$mount$(sed -n 's/^0:://p' /proc/self/cgroup)
"""
# Each line runs `cat` in a cgroup below the command's own, as a container's first process would
# be: it is put there before its exec. One cgroup begins again under its old name; one nests.
SCRIPT = f"""
    {FIND_OWN}
    start() {{
        mkdir "$own/$1"
        sh -c 'echo $$ > "$0/cgroup.procs"; exec cat "$1"' "$own/$1" "$2" || true
    }}
    start one /no/first
    rmdir "$own/one"
    start one /no/second
    start one/two /no/third
    mkdir -p "$own/one/two/three/four"
    start one/two/three/four/five /no/fourth
"""
PLACES = {"first": "one", "second": "one", "third": "one/two", "fourth": "one/two/three/four/five"}


@pytest.fixture(scope="module")
def recording(record: Recorder) -> Recording:
    recording = record(["sh", "-e", "-c", SCRIPT])
    assert recording.code == 0, recording.stderr
    return recording


@pytest.mark.parametrize("name", PLACES)
def test_a_new_cgroup_is_seen_from_its_first_event(recording: Recording, name: str) -> None:
    (missed,) = {r["pid"] for r in recording.where(path=f"/no/{name}", syscall="openat")}
    first, *others = [r for r in recording.rows if r["pid"] == missed and r["comm"] == "cat"]
    assert first["syscall"] == "execve"
    assert {row["cgroup_id"] for row in others} == {first["cgroup_id"]}
    assert others[-1]["cgroup_id"] != recording.rows[0]["cgroup_id"]


def test_a_cgroup_that_begins_again_is_another_one(recording: Recording) -> None:
    cgroups = [recording.one(path=f"/no/{name}")["cgroup_id"] for name in PLACES]
    assert len(set(cgroups)) == len(PLACES)


def test_a_cgroup_that_lies_deep(record: Recorder, tree: Path) -> None:
    deep = made(tree.joinpath(*["n"] * 40))
    recording = record(["cat", "/no/deep"], wrapper=inside(deep))
    assert recording.one(path="/no/deep")["ret"] == -2
    assert recording.lost == 0


def test_cgroups_that_are_removed_all_the_time(record: Recorder) -> None:
    """The recorder looks at their directories meanwhile."""
    churn = """
        for i in $(seq 1000); do
            mkdir "$own/$((i % 2))"
            (echo $BASHPID > "$own/$((i % 2))/cgroup.procs"; [ -e "/probe/$i" ])
            rmdir "$own/$((i % 2))" 2>/dev/null || exit 3
        done
    """
    recording = record(["bash", "-c", FIND_OWN + churn])
    assert recording.code == 0, recording.stderr
    assert len({path for path in recording.paths if str(path).startswith("/probe/")}) == 1000
    assert recording.session["ended_at"]


class Removing(CommandCgroup):
    """One of which each cgroup below is removed when it has just been found."""

    def descendants(self) -> Iterator[Path]:
        for directory in super().descendants():
            if directory != self.directory:
                directory.rmdir()
            yield directory


def test_a_cgroup_that_is_removed_when_it_was_just_found() -> None:
    with Removing(f"snoop-test-removing-{os.getpid()}") as group:
        (group.directory / "below").mkdir()
        assert len(_Containers(group, "command").known) == 1
        (group.directory / "below").mkdir()
        assert group.release() == 0
    assert not group.directory.exists()


def test_every_cgroup_is_in_the_session(recording: Recording) -> None:
    containers = {c["cgroup_id"]: c for c in recording.session["containers"]}
    assert {row["cgroup_id"] for row in recording.rows} <= containers.keys()
    top = PurePath(recording.session["containers"][0]["cgroup_path"])
    for name, place in PLACES.items():
        container = containers[recording.one(path=f"/no/{name}")["cgroup_id"]]
        if name != "first":  # gone before anybody could look where it was
            assert PurePath(container["cgroup_path"]) == top / place
            assert container["name"] == f"sh/{place}"
