# SPDX-License-Identifier: Apache-2.0
"""Every command of docs/slimming.md runs, as it stands there."""

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from uuid import uuid4

import pytest

from snoop_analysis.closure import RULES
from snoop_capture import cgroups
from tests.analysis.conftest import write_session
from tests.slim.images import as_archive, docker_save
from tests.slim.test_unused import EXEC

DOCUMENT = (Path(__file__).parents[2] / "docs/slimming.md").read_text()
BLOCKS = re.findall(r"```console\n(.*?)```", DOCUMENT, re.DOTALL)
LINES = [line[2:] for block in BLOCKS for line in block.splitlines() if line.startswith("$ ")]
COMMANDS = [line for line in LINES if line.startswith("snoop-analyze ")]


@pytest.fixture(scope="module")
def place(everything: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with capture/, app.tar and policy.yaml."""
    directory = tmp_path_factory.mktemp("document")
    write_session(directory / "capture", [{"path": "/bin/prog"} | EXEC, {"path": "/bin/sh"} | EXEC])
    as_archive(docker_save([everything.read_bytes()]), directory / "app.tar")
    (policy,) = re.findall(r"```yaml\n(.*?)```", DOCUMENT, re.DOTALL)
    (directory / "policy.yaml").write_text(policy)
    return directory


def test_only_saving_the_image_is_left_to_other_tools() -> None:
    assert [line.split()[0] for line in LINES if line not in COMMANDS] == [
        "snoop-capture",
        "docker",
    ]
    assert len(COMMANDS) > 10


@pytest.mark.bpf
def test_the_recording_runs(tmp_path: Path) -> None:
    """The container is a cgroup with the name that containerd would give it."""
    words = shlex.split(LINES[0])
    cgroup = cgroups.mount_point() / f"cri-containerd-{words[-1]}{(uuid4().hex * 2)[:58]}.scope"
    cgroup.mkdir()
    (tmp_path / "capture").mkdir()  # root's: nobody else may enter the directories above it
    try:
        words[0] = str(Path(sys.executable).with_name(words[0]))
        with subprocess.Popen(words, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as recorder:
            end = time.monotonic() + 60
            while not list(tmp_path.glob("capture/*/session.json")) and recorder.poll() is None:
                assert time.monotonic() < end
                time.sleep(0.05)
            recorder.send_signal(signal.SIGINT)
            _, said = recorder.communicate(timeout=60)
        assert recorder.returncode == 0, said
    finally:
        cgroup.rmdir()


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_runs(place: Path, command: str) -> None:
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", "-ec", command],
        cwd=place,
        env=os.environ | {"PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_what_it_shows_is_what_is_said(place: Path) -> None:
    words = [str(Path(sys.executable).with_name("snoop-analyze")), "unused", "capture/"]
    said = subprocess.run(
        [*words, "--image", "app.tar", "--why", "/bin/sh"],
        cwd=place,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert (
        "/usr/bin/sh: needed by a used file\n  link on the way to /usr/bin/dash\n    used: " in said
    )


@pytest.mark.parametrize(
    "name", ["used", "looked at only", "needed by a used file", "not observed"]
)
def test_every_verdict_is_explained(name: str) -> None:
    assert f"| {name} |" in DOCUMENT


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_is_explained(rule: str) -> None:
    assert f"| `{rule}` |" in DOCUMENT
