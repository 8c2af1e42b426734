# SPDX-License-Identifier: Apache-2.0
"""A call that a seccomp filter or a tracer answered looked at no file: neither a hit nor a miss."""

import errno
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from snoop_capture.btf import KernelTypes
from snoop_format.schema import BLOCKED
from tests.capture.conftest import Build
from tests.capture.recording import Recorder, Recording
from tests.capture.services import Service
from tests.capture.trees import inside, made

pytestmark = pytest.mark.bpf

ENOENT = -2
PARTS = ["same", "new", "thread", "supervised"]  # of tests/programs/late.c


@pytest.fixture(scope="module")
def recording(record: Recorder, build: Build) -> Recording:
    made = record([build("filtered")])
    assert made.code == 0, made.stderr
    return made


@pytest.mark.parametrize("path", ["/denied", "/trapped", "/emulated", "/executed"])
def test_what_a_filter_answers_is_marked(recording: Recording, path: str) -> None:
    rows = recording.where(path=path)
    assert rows
    assert {(row["note"], row["ret"]) for row in rows} == {(BLOCKED, None)}


def test_an_exec_that_is_answered_with_success_is_one_row(recording: Recording) -> None:
    assert [row["syscall"] for row in recording.where(path="/executed")] == ["execve"] * 2
    assert recording.where(syscall="execve", note=None)  # of the program itself, which is no other


def test_what_it_lets_by_has_its_result(recording: Recording) -> None:
    missing = recording.one(path="/missing")
    assert (missing["note"], missing["ret"]) == (None, ENOENT)
    opened = recording.where(path="/etc/hostname")
    assert len(opened) == 3
    assert all(row["ret"] > 2 and row["note"] is None for row in opened)


def test_a_recorder_without_privileges_sees_it_so_too(
    tree: Path, capture: Path, build: Build
) -> None:
    service = Service(capture, "cgroup", made(tree / "app"))
    subprocess.run(inside(tree / "app", build("filtered")), check=True)
    recording = service.stop()
    assert {row["note"] for row in recording.where(path="/denied")} == {BLOCKED}
    assert [row["note"] for row in recording.where(path="/etc/hostname")] == [None] * 3


@pytest.mark.skipif(
    KernelTypes().offset("seccomp_filter.cache.allow_native") is None, reason="needs Linux 5.11"
)
@pytest.mark.parametrize("flags", [[], ["-m32"]], ids=["64 bits", "32 bits"])
def test_what_no_filter_can_have_answered_has_its_result_at_once(
    record: Recorder, build: Build, capture: Path, flags: list[str]
) -> None:
    """Also one that filters use to give."""
    if flags and platform.machine() != "x86_64":
        pytest.skip("32-bit programs are recorded on x86-64 only")
    closed = capture.parent / "closed"
    closed.mkdir(mode=0o700)
    recording = record([build("denying", *flags), closed / "file"])
    assert recording.code == 0, recording.stderr
    row = recording.one(path=str(closed / "file"))
    assert (row["ret"], row["note"]) == (-errno.EACCES, None)


# Lets every call by, some only after a look at an argument; and is there for a second, so that
# entries are watched.
WATCHED = """
import os, sys, time
import seccomp
calls = seccomp.SyscallFilter(seccomp.ALLOW)
for name in ("execve", "access", "faccessat"):
    calls.add_rule(seccomp.ERRNO(1), name, seccomp.Arg(5, seccomp.EQ, 123456789))
calls.load()
os.access("/", os.F_OK)
time.sleep(1)
os.execv(sys.argv[1], sys.argv[1:])
"""


def test_an_exec_that_succeeds_under_a_filter_is_one_row(record: Recorder, build: Build) -> None:
    steps = [build("steps"), "stat", "/", "threadexec", "/bin/true"]
    recording = record([sys.executable, "-c", WATCHED, *steps])
    for program in (steps[0], "/bin/true"):
        row = recording.one(path=program, syscall="execve")
        assert (row["ret"], row["note"]) == (0, None)
    assert recording.where(note=BLOCKED) == []


def test_a_call_that_many_threads_do_not_outlive(
    record: Recorder, build: Build, tmp_path: Path
) -> None:
    """As many as there is room for at a time have an entry."""
    fifo = tmp_path / "fifo"
    recording = record([build("outlasting"), fifo, "20000"], "--ring-buffer-size", "16M")
    assert recording.code == 0, recording.stderr
    assert len(recording.where(path="/")) == 20_001
    assert [row["note"] for row in recording.where(path=str(fifo))] == [None] * 3


@pytest.fixture(scope="module")
def late(record: Recorder, build: Build) -> Recording:
    made = record([build("late")])
    assert made.code == 0, made.stderr
    return made


@pytest.mark.parametrize("part", PARTS)
def test_what_a_later_filter_answers_is_marked(late: Recording, part: str) -> None:
    row = late.one(path=f"answered/{part}")
    assert (row["note"], row["ret"]) == (BLOCKED, None)


@pytest.mark.parametrize("part", ["same", "thread", "supervised"])
def test_what_is_not_answered_has_its_result(late: Recording, part: str) -> None:
    row = late.one(path=f"by/{part}")
    assert (row["note"], row["ret"]) == (None, ENOENT)


def test_what_a_tracer_answers_is_marked(record: Recorder, build: Build) -> None:
    made = record([build("tracer"), "emulate"])
    looked, opened = (made.one(path=path) for path in ("looked", "opened"))
    for row in (looked, opened):
        assert (row["note"], row["ret"], row["real_path"], row["ino"]) == (BLOCKED, *[None] * 3)


def test_what_a_tracer_changes_is_what_the_kernel_did(
    record: Recorder, build: Build, tmp_path: Path
) -> None:
    made = record([build("tracer"), "change"], cwd=tmp_path)
    assert (tmp_path / "looked").is_dir()
    row = made.one(path="looked")
    assert (row["syscall"], row["ret"], row["base"]) == ("mkdirat", 0, str(tmp_path))
    assert made.where(path="opened") == []
