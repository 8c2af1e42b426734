# SPDX-License-Identifier: Apache-2.0
"""Calls that a program knows it made = rows + losses, exactly."""

import os
import signal
import sys
from collections import Counter

import pytest

from snoop_capture.limits import Rotation
from snoop_capture.recorder import layout_here
from tests.capture.conftest import Build
from tests.capture.recording import Recorder, Recording

pytestmark = pytest.mark.bpf

ROTATE_ROWS = Rotation().rows
MARKED = "/marked/by/the/test"

# threads, processes (two or more: each pinned to a CPU)
SHAPES = {"one thread": (1, 1), "four threads": (4, 1), "two processes on two CPUs": (1, 2)}
OTHERS = 3  # execve, readlink of /proc/self/exe (libc), newfstatat of standard output (stdio)


def run(record: Recorder, program: str, shape: str, calls: int, ring: str) -> Recording:
    threads, processes = SHAPES[shape]
    each = calls // (threads * processes)
    command = [program, str(each), str(threads), str(processes), MARKED]
    recording = record(command, "--ring-buffer-size", ring)
    assert recording.code == 0, recording.stderr
    assert int(recording.stdout) == calls
    return recording


def check_accounts(recording: Recording) -> None:
    """What the recorder says of its losses is the same wherever it says it."""
    session = recording.session
    by_container: Counter[str] = Counter()
    for container in session["containers"]:
        by_container.update(container["losses"])
    assert by_container == session["losses"]
    assert recording.summary["lost"] == recording.lost
    rows = recording.table.num_rows
    assert recording.summary["events"] == sum(s["rows"] for s in session["segments"]) == rows
    assert recording.summary["paths"] == len(recording.table["path"].drop_null().unique())
    assert recording.table["seq"].to_pylist() == list(range(rows))


@pytest.mark.parametrize("shape", SHAPES)
def test_the_default_ring_loses_nothing(record: Recorder, build: Build, shape: str) -> None:
    recording = run(record, build("calls"), shape, 40_000, "16M")
    assert recording.lost == 0
    assert len(recording.where(path=MARKED, syscall="faccessat", ret=-2)) == 40_000
    assert len(recording.rows) == 40_000 + OTHERS
    check_accounts(recording)


@pytest.mark.parametrize("ring", ["4K", "16K", "64K"])
@pytest.mark.parametrize("shape", SHAPES)
def test_what_a_small_ring_loses_is_counted(
    record: Recorder, build: Build, shape: str, ring: str
) -> None:
    recording = run(record, build("calls"), shape, 200_000, ring)
    assert recording.table.num_rows + recording.lost == 200_000 + OTHERS
    assert recording.lost > 100_000
    check_accounts(recording)


def test_a_full_ring_is_read_also_where_nothing_rings(record: Recorder) -> None:
    """Long before events are due: calls that come slowly behind a burst are all recorded."""
    script = """
import os, time
for number in range(100_000):
    os.access("burst", 0)
time.sleep(0.5)
for number in range(100):
    os.access(f"slow{number}", 0)
    time.sleep(0.002)
"""
    options = ("--ring-buffer-size", "64K", "--flush-interval", "60")
    recording = record([sys.executable, "-c", script], *options)
    assert recording.lost > 0
    slow = [row["path"] for row in recording.rows if (row["path"] or "").startswith("slow")]
    assert slow == [f"slow{number}" for number in range(100)]
    check_accounts(recording)


def test_rotation_loses_nothing_that_is_not_counted(record: Recorder, build: Build) -> None:
    calls = int(1.2 * ROTATE_ROWS)
    recording = run(record, build("calls"), "one thread", calls, "8M")
    assert recording.table.num_rows + recording.lost == calls + OTHERS
    assert len(recording.session["segments"]) > 1 or recording.lost > calls - ROTATE_ROWS
    check_accounts(recording)


@pytest.mark.parametrize(("ring", "calls"), [("16M", 1000), ("64K", 200_000)])
@pytest.mark.parametrize("shape", SHAPES)
def test_while_the_recorder_is_paused(
    record: Recorder, build: Build, shape: str, ring: str, calls: int
) -> None:
    """What the ring holds is recorded afterwards, the rest is counted."""
    threads, processes = SHAPES[shape]
    words = [str(calls // (threads * processes)), str(threads), str(processes), MARKED]
    recording = run_while_paused(record, [build("calls"), *words], ring)
    assert len(recording.where(comm="calls")) + recording.lost == calls + OTHERS
    assert (recording.lost > 0) == (ring == "64K")
    check_accounts(recording)


def test_a_burst_on_one_cpu_may_take_the_whole_ring(record: Recorder, build: Build) -> None:
    layout = layout_here(8 << 20)
    most = (layout.blocks - layout.cpus) * layout.rows  # the other CPUs may have begun a block
    pinned = ["taskset", "-c", str(min(os.sched_getaffinity(0)))]
    recording = run_while_paused(
        record, [*pinned, build("calls"), str(most - layout.rows // 2), "1", "1", MARKED], "8M"
    )
    assert recording.lost == 0
    check_accounts(recording)


def run_while_paused(record: Recorder, command: list[str], ring: str) -> Recording:
    """Record a command that makes its calls while the recorder is stopped."""
    wait = 'echo ready; read line; exec "$@"'
    with record.start(["sh", "-c", wait, "sh", *command], "--ring-buffer-size", ring) as running:
        assert running.line() == b"ready\n"
        running.process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, running.process.pid, os.WSTOPPED | os.WNOWAIT)
        running.write(b"go\n")
        running.line()
        running.process.send_signal(signal.SIGCONT)
        return running.finish()


def test_each_cgroup_has_its_own_losses(record: Recorder, build: Build) -> None:
    """A process moves between cgroups below its own; what was issued in each is known."""
    issued = {"a": 30_000, "b": 70_000}
    script = f"""
        mount=$(sed -n 's/.* \\([^ ]*\\) [^ ]* - cgroup2 .*/\\1/p' /proc/self/mountinfo | head -1)
        own=$mount$(sed -n 's/^0:://p' /proc/self/cgroup)
        mkdir "$own/a" "$own/b"
        for round in 1 2; do
            echo $$ > "$own/a/cgroup.procs"
            {build("calls")} {issued["a"] // 2} 1 1 {MARKED}
            echo $$ > "$own/b/cgroup.procs"
            {build("calls")} {issued["b"] // 2} 1 1 {MARKED}
        done
        echo $$ > "$own/cgroup.procs"
        sleep 1
    """
    recording = record(["sh", "-e", "-c", script], "--ring-buffer-size", "64K")
    assert recording.code == 0, recording.stderr
    by_name = {c["name"]: c for c in recording.session["containers"]}
    for name, calls in issued.items():
        container = by_name[f"sh/{name}"]
        lost = sum(container["losses"].values())
        rows = recording.where(cgroup_id=container["cgroup_id"])
        assert len(rows) + lost == calls + 2 * (OTHERS + 1)  # and what moves the shell on
        assert lost > 0
    check_accounts(recording)


def test_losses_in_a_cgroup_that_is_gone_at_the_end_are_counted(
    record: Recorder, build: Build
) -> None:
    inner = f"""
        mount=$(sed -n 's/.* \\([^ ]*\\) [^ ]* - cgroup2 .*/\\1/p' /proc/self/mountinfo | head -1)
        own=$mount$(sed -n 's/^0:://p' /proc/self/cgroup)
        mkdir "$own/inner"
        echo $$ > "$own/inner/cgroup.procs"
        {build("calls")} 50000 1 1 {MARKED}
        echo $$ > "$own/cgroup.procs"
        rmdir "$own/inner"
    """
    recording = record(["sh", "-e", "-c", inner], "--ring-buffer-size", "4K")
    assert recording.code == 0, recording.stderr
    assert recording.lost > 0
    check_accounts(recording)
    known = {container["cgroup_id"] for container in recording.session["containers"]}
    assert {row["cgroup_id"] for row in recording.rows} <= known
