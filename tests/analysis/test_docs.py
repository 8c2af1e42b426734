# SPDX-License-Identifier: Apache-2.0
"""The documentation says what is."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from snoop_analysis import Capture
from snoop_analysis.breakdown import NAMES
from snoop_analysis.cli import COMMANDS
from snoop_format.schema import EVENTS

DOCS = Path(__file__).parents[2] / "docs"


def test_cli_page_is_what_help_says() -> None:
    page = subprocess.run(
        [sys.executable, str(DOCS / "generate_cli.py")], capture_output=True, text=True, check=True
    ).stdout
    assert (DOCS / "cli.md").read_text() == page


def test_the_first_answer_is_what_the_sample_says(tmp_path: Path) -> None:
    text = (DOCS / "analysis.md").read_text()
    copy, report = re.findall(r"^```console\n(.*?)^```", text, re.M | re.S)[:2]
    command, *answer = report.splitlines()
    words = f"{copy.removeprefix('$ ')}\n{command.removeprefix('$ ')}"
    bin_ = Path(sys.executable).parent
    done = subprocess.run(
        ["sh", "-ec", words],
        cwd=tmp_path,
        env=os.environ | {"PATH": f"{bin_}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == answer


@pytest.mark.parametrize("name", COMMANDS)
def test_commands_are_documented(name: str) -> None:
    assert f"## snoop-analyze {name}\n" in (DOCS / "cli.md").read_text()


@pytest.mark.parametrize("name", EVENTS.names)
def test_columns_are_documented(name: str) -> None:
    assert f"`{name}`" in (DOCS / "format.md").read_text()


@pytest.mark.parametrize("name", [name.partition(":")[0] for name in NAMES])
def test_keys_are_documented(name: str) -> None:
    assert f"`{name}`" in (DOCS / "analysis.md").read_text()
    assert re.search(rf"\b{name}\b", (DOCS / "cli.md").read_text())


@pytest.mark.filterwarnings("ignore:The inplace keyword")  # DuckDB 2.0 with pandas 3.1
def test_the_notebook_example_runs() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", (DOCS / "analysis.md").read_text(), re.DOTALL)
    exec(code)


@pytest.mark.parametrize(
    "name", ["session_no", "file", "found", "errno_name", "program", "container"]
)
def test_derived_columns_are_documented(name: str) -> None:
    assert name in Capture.sample().events.columns
    assert f"`{name}`" in (DOCS / "api.md").read_text()
