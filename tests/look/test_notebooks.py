# SPDX-License-Identifier: Apache-2.0
"""The notebooks run from top to bottom, and show what is committed."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest

from tests.look.browser import ROOT

NAMES = ["01-first-look", "02-what-if", "03-compare", "04-start-up", "05-sql"]


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the notebooks are as they come out now."""
    directory = tmp_path_factory.mktemp("notebooks")
    done = subprocess.run(
        [sys.executable, ROOT / "notebooks/execute.py", directory],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [f"{name}.ipynb" for name in NAMES]
    return directory


def read(directory: Path, name: str) -> Any:
    return nbformat.reads((directory / f"{name}.ipynb").read_text(), as_version=4)


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_shows_what_is_committed(ran: Path, name: str) -> None:
    """To make them anew: python notebooks/execute.py."""
    now, committed = (read(directory, name) for directory in (ran, ROOT / "notebooks"))
    for cell, before in zip(now.cells, committed.cells, strict=True):
        assert cell == before


@pytest.mark.parametrize("name", NAMES)
def test_what_is_committed_is_small_and_can_be_seen(name: str) -> None:
    assert (ROOT / f"notebooks/{name}.ipynb").stat().st_size < 150_000
    cells = read(ROOT / "notebooks", name).cells
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    assert {output.output_type for output in outputs} == {"execute_result"}
    forms = {form for output in outputs for form in output.data}
    assert {"text/html", "text/plain"} <= forms
    assert name == "05-sql" or "image/svg+xml" in forms


@pytest.mark.parametrize("name", NAMES)
def test_links_lead_somewhere(name: str) -> None:
    text = "\n".join(cell.source for cell in read(ROOT / "notebooks", name).cells)
    for target in re.findall(r"\]\(([^)#:]+)\)", text):
        assert (ROOT / "notebooks" / target).exists(), target


@pytest.mark.parametrize("name", NAMES)
def test_only_the_public_api_is_used(name: str) -> None:
    """Modules that docs/api.md names, and nothing private."""
    documented = (ROOT / "docs/api.md").read_text()
    cells = read(ROOT / "notebooks", name).cells
    code = "\n".join(cell.source for cell in cells if cell.cell_type == "code")
    modules = re.findall(r"from (snoop\S+) import", code)
    assert "snoop_analysis" in modules
    assert not [module for module in modules if module not in documented]
    assert not re.search(r"[\w)]\._", code)
