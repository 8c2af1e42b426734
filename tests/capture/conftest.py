# SPDX-License-Identifier: Apache-2.0
"""The recorder, run for real, and small C programs to record."""

import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from snoop_capture import cgroups
from tests.capture.recording import Recorder
from tests.capture.ticking import Ticking, ticking
from tests.capture.trees import made

Build = Callable[..., str]

_PROGRAMS = Path(__file__).parents[1] / "programs"


@pytest.fixture(scope="session")
def record(tmp_path_factory: pytest.TempPathFactory) -> Recorder:
    return Recorder(tmp_path_factory.mktemp("captures"))


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """``build(name, *flags)`` compiles ``tests/programs/NAME.c`` once; returns the program's path.

    Statically linked: such a program makes no calls but its own.
    """
    directory = tmp_path_factory.mktemp("programs")

    def make(name: str, *flags: str) -> str:
        program = directory / "".join([name, *flags])
        if not program.exists():
            always = ["-O1", "-Wall", "-Werror", "-static", "-pthread"]
            source = _PROGRAMS / f"{name}.c"
            subprocess.run(["gcc", *always, "-o", program, source, *flags], check=True)
        return str(program)

    return make


@pytest.fixture
def tree() -> Iterator[Path]:
    """A cgroup to make others in, removed with all of them afterwards."""
    with cgroups.CommandCgroup(f"snoop-test-{os.getpid()}") as group:
        yield group.directory


@pytest.fixture
def ticks(tree: Path, build: Build, tmp_path: Path) -> Iterator[Ticking]:
    """Something in ``tree`` makes calls all the time."""
    with ticking(build("ticks"), made(tree / "app"), tmp_path / "times") as calls:
        yield calls


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    """A place for a capture that a recorder can reach which is no longer root."""
    for directory in (tmp_path, *tmp_path.parents[:2]):  # pytest makes them for root alone
        directory.chmod(0o755)
    return tmp_path / "capture"
