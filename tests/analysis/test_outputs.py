# SPDX-License-Identifier: Apache-2.0
"""Several outputs of one command: each to a file of its own."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from snoop_analysis.cli import cli
from snoop_analysis.errors import OptionError
from snoop_analysis.replacing import check_outputs

from .conftest import Record


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, [str(one) for one in arguments])


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory: with a file, links to it and to nothing, and a link to itself."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x").write_text("before")
    (tmp_path / "link").symlink_to("x")
    (tmp_path / "dangling").symlink_to("new")
    (tmp_path / "again").symlink_to(".")
    return tmp_path


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("--report x --html x", "x"),
        ("--report x --html ./again/x", "again/x, which is x"),
        ("--report x --html {here}/x", "{here}/x, which is x"),
        ("--report link --html x", "x, which is link"),
        ("--report dangling --html new", "new, which is dangling"),
        ("--report new --html again/new", "again/new, which is new"),
        ("--report new/file --html new/file", "new/file"),
        ("--html new.svg --plot new.svg", "new.svg"),
        ("--report new --by syscall --parquet new", "new"),
    ],
)
def test_one_file_for_two_outputs_is_refused(
    record: Record, here: Path, options: str, said: str
) -> None:
    before = sorted(here.iterdir())
    done = run(record([{"path": "/a"}]), *options.format(here=here).split())
    assert isinstance(done.exception, OptionError)
    said = said.format(here=here)
    assert str(done.exception) == f"two outputs would go to {said}: write each to its own file"
    assert sorted(here.iterdir()) == before
    assert Path("x").read_text() == "before"


def test_outputs_to_two_files_are_written(record: Record, here: Path) -> None:
    (here / "same").hardlink_to(here / "x")  # each is replaced by a file of its own
    done = run(record([{"path": "/a"}]), "--report", "x", "--html", "same")
    assert done.exit_code == 0
    assert Path("x").read_text().startswith("{")
    assert Path("same").read_text().startswith("<!")


def test_what_takes_several_outputs_may_be_given_twice(record: Record, here: Path) -> None:
    done = run(record([{"path": "/a"}]), "--report", "/dev/null", "--html", "/dev/null")
    assert done.exit_code == 0
    with (here / "x").open("w") as file:
        check_outputs([f"/dev/fd/{file.fileno()}"] * 2)
