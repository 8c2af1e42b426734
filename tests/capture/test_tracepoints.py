# SPDX-License-Identifier: Apache-2.0
"""On perf's events the program sees what it sees on raw tracepoints."""

import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from snoop_capture import cgroups, tracepoints
from snoop_capture.btf import KernelTypes
from snoop_capture.limits import Limits
from snoop_capture.program import Program
from snoop_capture.recorder import Recorder, layout_here
from snoop_capture.sessions import new_session
from tests.capture.conftest import Build
from tests.capture.recording import read_events
from tests.capture.trees import inside

pytestmark = [
    pytest.mark.bpf,
    pytest.mark.skipif(not tracepoints.have_events(), reason="needs tracefs"),
]

SHOWN = ("syscall", "path", "base", "real_path", "dirfd", "flags", "ret", "note", "exe", "comm")


class Nobody:
    """Knows no cgroup by name."""

    def entries(self, cgroup_ids: set[int]) -> list[dict[str, Any]]:
        return [{"cgroup_id": one, "name": "", "cgroup_path": ""} for one in sorted(cgroup_ids)]


def recorded(
    tree: Path, capture: Path, events: bool, *command: str
) -> tuple[list[dict[str, Any]], dict[str, int]]:
    """The rows of a command, and what was lost."""
    with Program(layout_here(1 << 20), events) as program:
        assert program.is_on_events == events
        program.trace(cgroups.cgroup_id(tree))
        session = new_session(capture, "session")
        recorder = Recorder(program, session, {}, Limits())
        subprocess.run(inside(tree, *command), cwd=capture, capture_output=True, check=False)
        time.sleep(0.1)
        recorder.poll()
        totals = recorder.stop(Nobody())
    rows = read_events(session).select(SHOWN).to_pylist()
    return rows, totals.losses


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
    assert ways[True] == ways[False]
    assert len(ways[True]) > 2


def test_what_the_kernel_did_not_run_is_where_it_is_read() -> None:
    assert KernelTypes().offset("bpf_prog_info.recursion_misses") == 208
