# SPDX-License-Identifier: Apache-2.0
"""``--html``, ``--plot`` and ``--picture``."""

import subprocess
import sys
from pathlib import Path

import pytest

SNOOP_ANALYZE = Path(sys.executable).with_name("snoop-analyze")
SAMPLE = Path(__file__).parents[2] / "snoop_analysis/sample"


def analyze(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [SNOOP_ANALYZE, *arguments], capture_output=True, text=True, check=False, timeout=60
    )


def test_a_page_a_picture_and_a_report_at_once(tmp_path: Path) -> None:
    files = [tmp_path / "new/report.html", tmp_path / "out.svg", tmp_path / "report.json"]
    options = zip(("--html", "--plot", "--report"), files, strict=True)
    done = analyze(SAMPLE, *[word for pair in options for word in pair])
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("247 events, 100 distinct files (70 found), no losses\n")
    assert [path.read_text()[:5] for path in files] == ["<!doc", "<svg ", '{\n  "']


def test_one_picture(tmp_path: Path) -> None:
    done = analyze(SAMPLE, "--plot", tmp_path / "out.svg", "--picture", "syscalls")
    assert done.returncode == 0, done.stderr
    text = (tmp_path / "out.svg").read_text()
    assert "Calls by system call" in text
    assert "Calls over time" not in text


@pytest.mark.parametrize(
    ("options", "code", "sentence"),
    [
        (["--plot", "out.pdf"], 2, "out.pdf is no picture's name: it has to end with .png or .svg"),
        (["--picture", "lru"], 2, "--picture needs --plot FILE"),
        (["--plot", "out.png", "--picture", "pie"], 2, "'pie' is not one of 'overview'"),
        (["--html", "/proc/no/report.html"], 1, "cannot use /proc/no"),
        (["--html", "-"], 2, "--html needs the name of a file"),
        (["--html", "/"], 2, "'/' is a directory"),
        (["--report", "a", "--watch", "9s", "--html", "b"], 2, "it takes no --html"),
    ],
)
def test_mistakes_are_sentences(options: list[str], code: int, sentence: str) -> None:
    done = analyze(SAMPLE, *options)
    assert done.returncode == code
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
