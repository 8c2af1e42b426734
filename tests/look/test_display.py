# SPDX-License-Identifier: Apache-2.0
"""Captures, replays, reports and relations show themselves, in a notebook and in a terminal."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell

from snoop_analysis import Capture
from snoop_analysis.replay import Replay
from snoop_analysis.report import Report
from tests.analysis.conftest import Record

Shown = Capture | Replay | Report

LEFT, RIGHT = 'style="text-align: left"', 'class="number" style="text-align: right"'


@pytest.fixture
def formatter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """What IPython shows the value of a cell with."""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    shell = InteractiveShell.instance()
    yield shell.display_formatter
    InteractiveShell.clear_instance()


def objects(replay: Replay) -> list[Shown]:
    return [replay.capture, replay, replay.report()]


@pytest.mark.parametrize("number", range(3))
def test_losses_come_first(hostile: Replay, number: int) -> None:
    shown = objects(hostile)[number]
    assert repr(shown).startswith("! 7 events lost while recording")
    paragraphs = re.findall(r"<p>(.*?)</p>", shown._repr_html_())
    assert paragraphs[0].startswith("<strong>! 7 events lost while recording")


@pytest.mark.parametrize("number", range(3))
def test_names_are_text(hostile: Replay, number: int) -> None:
    shown = objects(hostile)[number]
    assert "<b>web</b>" in repr(shown)
    assert "<b>web" not in shown._repr_html_()
    assert "&lt;b&gt;web&lt;/b&gt;" in shown._repr_html_()


def test_the_sample_shows_its_counts() -> None:
    replay = Capture.sample().replay()
    assert repr(replay.report()).splitlines()[0] == (
        "247 events, 100 distinct files (70 found), no losses"
    )
    assert f"<td {LEFT}>python3</td><td {RIGHT}>247</td><td {RIGHT}>100</td>" in (
        replay._repr_html_()
    )
    assert repr(replay.capture).splitlines()[-1].split()[-2:] == ["247", "0"]


def test_relations_are_tables_in_ipython(formatter: Any, hostile: Replay) -> None:
    capture = Capture(hostile.capture.paths)  # opened in IPython
    relation = capture.query(
        "SELECT '<i>' || chr(27) || chr(8238) AS name, 12345 AS n, "
        "TIMESTAMPTZ '2026-01-01 00:00Z' AS t"
    )
    shown, _ = formatter.format(relation)
    assert f"<td {LEFT}>&lt;i&gt;\\x1b\\u202e</td>" in shown["text/html"]
    assert f"<td {RIGHT}>12,345</td><td {LEFT}>2026-01-01 00:00:00Z</td>" in shown["text/html"]
    assert shown["text/plain"].splitlines()[1].startswith("<i>\\x1b\\u202e")
    breakdown, _ = formatter.format(capture.replay().breakdown("file"))
    assert breakdown["text/html"].count("<tr>") == 1 + 20
    assert "the first 20 rows; .df() has all" in breakdown["text/html"]


def test_pictures_need_no_network_in_a_notebook(formatter: Any) -> None:
    shown, _ = formatter.format(Capture.sample().plot.syscalls())
    assert set(shown) == {"application/vnd.vegalite.v5+json", "image/svg+xml", "text/plain"}


def test_a_closed_replay_still_says_what_it_is() -> None:
    replay = Capture.sample().replay()
    replay.close()
    assert repr(replay) == "Replay, closed"


def test_an_empty_capture_shows_itself(record: Record) -> None:
    replay = Capture(record([])).replay()
    assert "no events were recorded" in repr(replay)
    assert "no events were recorded" in replay._repr_html_()
