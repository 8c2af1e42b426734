# SPDX-License-Identifier: Apache-2.0
"""On perf's events the program sees what it sees on raw tracepoints."""

import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from snoop_capture import tracepoints
from snoop_capture.btf import KernelTypes
from snoop_capture.limits import Limits
from snoop_capture.program import NOT_RUN, Program
from snoop_capture.recorder import Recorder, layout_here
from snoop_capture.sessions import new_session
from snoop_format.schema import BLOCKED
from tests.capture.conftest import Build
from tests.capture.recording import read_events
from tests.capture.trees import inside

pytestmark = [
    pytest.mark.bpf,
    pytest.mark.skipif(tracepoints.obstacle() is not None, reason="needs tracefs"),
]

SHOWN = ("syscall", "path", "base", "real_path", "dirfd", "flags", "ret", "note", "exe", "comm")

# Of tests/programs/filtered.c.
NOTES = {"/denied": {BLOCKED}, "/trapped": {BLOCKED}, "/emulated": {BLOCKED}, "/missing": {None}}


class Nobody:
    """Knows no cgroup by name."""

    def entries(self, cgroup_ids: set[int]) -> list[dict[str, Any]]:
        return [{"cgroup_id": one, "name": "", "cgroup_path": ""} for one in sorted(cgroup_ids)]


def recorded(
    tree: Path, capture: Path, events: bool, *command: str
) -> tuple[list[dict[str, Any]], dict[str, int]]:
    """The rows of a command, and what was lost."""
    with Program(layout_here(8 << 20), events) as program:
        assert program.is_on_events == events
        program.choose(tree)
        program.begin()
        session = new_session(capture, "session")
        recorder = Recorder(program, session, {}, Limits())
        words = inside(tree, *command)
        with subprocess.Popen(words, cwd=capture, stdout=subprocess.DEVNULL) as process:
            while process.poll() is None:
                time.sleep(0.01)
                recorder.poll()
        totals = recorder.stop(Nobody())
    rows = read_events(session).select(SHOWN).to_pylist()
    return rows, totals.losses


@pytest.mark.skipif(tracepoints.are_preemptible(), reason="raw tracepoints lose calls here")
@pytest.mark.parametrize("program", ["script", "calls", "refused", "requests"])
def test_both_ways_see_the_same(tree: Path, build: Build, tmp_path: Path, program: str) -> None:
    script = tmp_path / "script"
    script.write_text("#!/bin/sh\n[ -e leaf ] || exec /no/such/program\n")
    script.chmod(0o755)
    command = {
        "script": [str(script)],
        "calls": [build("calls"), "1000", "1", "1", "/marked"],
        "refused": [build("refused", "-luring")],
        "requests": [build("requests", "-luring"), "3", "plain"],
    }[program]
    ways = {}
    for events in (False, True):
        capture = tmp_path / str(events)
        capture.mkdir()
        rows, losses = recorded(tree, capture, events, *command)
        ways[events] = [
            {k: v.replace(str(capture), "") if isinstance(v, str) else v for k, v in row.items()}
            for row in rows
        ]
        assert losses == {}
        # Requests of io_uring come when their results do, or when they are given up.
        ways[events].sort(key=lambda row: repr(row) if row["syscall"][:3] == "io_" else "")
    assert ways[True] == ways[False]
    assert len(ways[True]) > 2


def test_what_the_kernel_does_not_run_is_counted(tree: Path, build: Build, tmp_path: Path) -> None:
    """On raw tracepoints of kernels that preempt programs; on others there is no such loss."""
    calls = [build("calls"), "10000", "4", "1", "/marked"]
    rows, losses = recorded(tree, tmp_path, False, *calls)
    made = sum(row["path"] == "/marked" for row in rows)
    assert 40_000 - made <= losses.get(NOT_RUN, 0)
    assert losses.keys() <= ({NOT_RUN} if tracepoints.are_preemptible() else set())


def test_a_filter_is_seen_on_events(tree: Path, build: Build, tmp_path: Path) -> None:
    rows, _ = recorded(tree, tmp_path, True, build("filtered"))
    notes = {path: {row["note"] for row in rows if row["path"] == path} for path in NOTES}
    assert notes == NOTES


def test_the_lack_of_tracefs_is_said() -> None:
    hidden = "mount -t tmpfs none /sys/kernel/tracing; umount -l /sys/kernel/debug 2>/dev/null"
    ask = "from snoop_capture import tracepoints; print(tracepoints.obstacle())"
    command = ["unshare", "-m", "sh", "-c", f'{hidden}; exec "$@"', "sh", sys.executable, "-c", ask]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "mount it at /sys/kernel/tracing, read-only is enough" in said


def test_what_the_kernel_did_not_run_is_where_it_is_read() -> None:
    assert KernelTypes().offset("bpf_prog_info.recursion_misses") == 208
