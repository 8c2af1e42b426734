# SPDX-License-Identifier: Apache-2.0
"""The notebooks run from top to bottom, and show what is committed."""

import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import nbformat
import pytest

from tests.analysis.conftest import Event, write_session
from tests.analysis.summaries import remove_segments
from tests.look.browser import ROOT
from tests.look.captures import BEGAN, ENOENT

NAMES = ["01-first-look", "02-what-if", "03-compare", "04-start-up", "05-sql"]
EVENTS: Final[list[Event]] = [
    {"path": f"/srv/{n}", "ret": 3 if n % 3 else ENOENT, "ts": BEGAN + timedelta(milliseconds=n)}
    for n in range(9)
]


def execute(notebooks: Path, directory: Path) -> None:
    """Write the notebooks as they come out now into ``directory``."""
    done = subprocess.run(
        [sys.executable, notebooks / "execute.py", directory],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [f"{name}.ipynb" for name in NAMES]


def execute_with(capture: Path, directory: Path) -> None:
    """The same with another capture in the place of those that they look at."""
    (directory / "execute.py").write_bytes((ROOT / "notebooks/execute.py").read_bytes())
    for name in NAMES:
        notebook = read(ROOT / "notebooks", name)
        for cell in notebook.cells:
            own = r"Capture\.sample\(\)|Capture\(.samples/app-\d.\)"
            cell.source = re.sub(own, f"Capture({str(capture)!r})", cell.source)
        nbformat.write(notebook, directory / f"{name}.ipynb")
    execute(directory, directory)


def said(directory: Path, name: str) -> Iterator[str]:
    """What the cells of a notebook show, as plain text."""
    for cell in read(directory, name).cells:
        yield from (output.data["text/plain"] for output in cell.get("outputs", []))


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the notebooks are as they come out now."""
    directory = tmp_path_factory.mktemp("notebooks")
    execute(ROOT / "notebooks", directory)
    return directory


def read(directory: Path, name: str) -> Any:
    return nbformat.reads((directory / f"{name}.ipynb").read_text(), as_version=4)


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_shows_what_is_committed(ran: Path, name: str) -> None:
    """To make them anew: python notebooks/execute.py."""
    now, committed = (read(directory, name) for directory in (ran, ROOT / "notebooks"))
    for cell, before in zip(now.cells, committed.cells, strict=True):
        assert cell == before


def test_they_run_on_a_capture_with_a_container_without_events(tmp_path: Path) -> None:
    """As a recording of a pod has it: nothing runs in the pod's cgroup itself."""
    containers = [{"cgroup_id": n, "name": f"c{n}", "cgroup_path": f"/{n}"} for n in (1, 2)]
    events = [event | {"cgroup_id": 2} for event in EVENTS]
    execute_with(write_session(tmp_path / "pod", events, containers=containers), tmp_path)
    counts = "\n".join(said(tmp_path, "02-what-if"))
    assert re.search(r"^the default +9 +6 +0$", counts, re.MULTILINE)
    counts = "\n".join(said(tmp_path, "03-compare"))
    assert re.search(r"^files found +6 +6$", counts, re.MULTILINE)


def test_they_run_on_a_capture_with_a_summary_alone(tmp_path: Path) -> None:
    capture = write_session(tmp_path / "kept", EVENTS)
    remove_segments(capture, 1)
    execute_with(capture, tmp_path)
    counts = "\n".join(said(tmp_path, "02-what-if"))
    assert re.search(r"^the default +9 +6 +0$", counts, re.MULTILINE)
    sentence = "No event with a time is left: what came in the first milliseconds is not known."
    assert list(said(tmp_path, "04-start-up")).count(repr(sentence)) == 2


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
