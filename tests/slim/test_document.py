# SPDX-License-Identifier: Apache-2.0
"""Every command of docs/slimming.md runs, as it stands there."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from snoop_analysis.closure import RULES
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
    assert [line.split()[0] for line in LINES if line not in COMMANDS] == ["docker"]
    assert len(COMMANDS) > 10


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
