# SPDX-License-Identifier: Apache-2.0
"""The pictures of the README can be made anew, from a real recording."""

import struct
import subprocess
import sys
from pathlib import Path

import pytest

from tests.look.browser import ROOT

NAMES = ["files.png", "report.png"]


def size(picture: Path) -> tuple[int, int]:
    """Width and height, as the header of a PNG says."""
    return struct.unpack(">II", picture.read_bytes()[16:24])


@pytest.mark.bpf
def test_they_are_made_by_a_command(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "docs.screenshots", tmp_path],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    made = sorted(path.name for path in tmp_path.iterdir())
    assert made == NAMES
    assert [size(tmp_path / name) for name in made] == [
        size(ROOT / "docs/pictures" / name) for name in NAMES
    ]


@pytest.mark.parametrize("name", NAMES)
def test_the_readme_shows_them(name: str) -> None:
    assert f'<img src="docs/pictures/{name}"' in (ROOT / "README.md").read_text()
    assert (ROOT / "docs/pictures" / name).stat().st_size < 200_000
