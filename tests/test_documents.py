# SPDX-License-Identifier: Apache-2.0
"""The README and the recorder's documents are true: their commands run, their links lead on."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
DOCUMENTS = [
    "README.md",
    "docs/recording.md",
    "docs/fidelity.md",
    "bench/README.md",
    "notebooks/README.md",
]
LINKED = [
    *DOCUMENTS,
    "docs/slimming.md",
    "CONTRIBUTING.md",
    "deploy/README.md",
    "docs/OPERATIONS.md",
    "docs/SECURITY.md",
    "docs/kernels.md",
]


def commands(document: str) -> list[str]:
    blocks = re.findall(r"^```sh\n(.*?)^```", (ROOT / document).read_text(), re.M | re.S)
    lines = [line for block in blocks for line in block.splitlines()]
    return [shlex.join(shlex.split(line, comments=True)) for line in lines if line.strip()]


def test_a_document_has_commands() -> None:
    assert len(commands("README.md")) >= 5


@pytest.mark.bpf
@pytest.mark.parametrize("document", DOCUMENTS)
def test_the_commands_of_a_document_run(document: str, tmp_path: Path) -> None:
    path = f"{BIN}:{os.environ['PATH']}"
    for command in commands(document):
        words = shlex.split(command)
        if words[0] == "make":  # they run the tests themselves
            words = ["make", "-n", "-C", str(ROOT), *words[1:]]
        elif words[0].startswith("bench/"):
            words = [sys.executable, str(ROOT / words[0]), *words[1:]]
        done = subprocess.run(
            words,
            cwd=tmp_path,
            env=os.environ | {"PATH": path},
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert done.returncode == 0, (command, done.stderr)


@pytest.mark.parametrize("document", LINKED)
def test_links_lead_somewhere(document: str) -> None:
    text = (ROOT / document).read_text()
    for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
        assert ((ROOT / document).parent / target).exists(), target


def test_the_options_of_run_are_documented() -> None:
    shown = subprocess.run(
        [BIN / "snoop-capture", "run", "--help"], capture_output=True, text=True, check=True
    ).stdout
    text = (ROOT / "docs/recording.md").read_text()
    options = set(re.findall(r"--[a-z][a-z-]+", shown)) - {"--help", "--output"}
    assert options
    assert not [option for option in options if option not in text]
