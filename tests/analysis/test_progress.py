# SPDX-License-Identifier: Apache-2.0
"""The progress bar shows for long queries alone."""

import time

import pytest

from snoop_analysis import Capture
from snoop_analysis.terminal import printable


def test_a_long_query_shows_and_goes(capsys: pytest.CaptureFixture[str]) -> None:
    capture = Capture.sample()
    capture.show_progress()
    began = time.monotonic()
    while time.monotonic() - began < 1.5:
        capture.query("SELECT 1").fetchall()
    assert capsys.readouterr().err == ""
    capture.database.execute("SELECT sum(hash(i)) FROM range(1_000_000_000) AS numbers(i)")
    time.sleep(0.5)
    shown = capsys.readouterr().err
    assert " %" in shown
    assert shown.endswith(" \r")
    capture.close()
    assert printable(shown.replace("\r", "")) == shown.replace("\r", "")
