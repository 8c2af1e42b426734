# SPDX-License-Identifier: Apache-2.0
"""A recording sees its own command, and nobody else."""

import subprocess

import pytest

from tests.capture.recording import Recorder

pytestmark = pytest.mark.bpf

# Says that it runs, waits for a line, and then looks for a file of a given name.
WAITING = 'echo ready; read line; cat "$0"; cat "$0"; exit 0'


def test_recordings_at_the_same_time_do_not_see_each_other(record: Recorder) -> None:
    names = ["/nowhere/first", "/nowhere/second", "/nowhere/outside"]
    outside = subprocess.Popen(
        ["sh", "-c", WAITING, names[2]],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    with (
        outside,
        record.start(["sh", "-c", WAITING, names[0]]) as first,
        record.start(["sh", "-c", WAITING, names[1]]) as second,
    ):
        assert (first.line(), second.line()) == (b"ready\n", b"ready\n")
        outside.communicate(b"go\n")
        recordings = [first.finish(b"go\n"), second.finish(b"go\n")]
    for recording, name in zip(recordings, names[:2], strict=True):
        assert recording.paths & set(names) == {name}
        assert len(recording.where(path=name, syscall="openat", ret=-2)) == 2
        assert recording.lost == 0
    cgroups = [{row["cgroup_id"] for row in recording.rows} for recording in recordings]
    assert [len(ids) for ids in cgroups] == [1, 1]
    assert cgroups[0] != cgroups[1]


def test_the_recorder_does_not_record_itself(record: Recorder) -> None:
    recording = record(["true"])
    assert {row["comm"] for row in recording.rows} == {"true"}
    assert {row["pid"] for row in recording.rows} == {recording.rows[0]["pid"]}
    assert recording.rows[0]["syscall"] == "execve"
