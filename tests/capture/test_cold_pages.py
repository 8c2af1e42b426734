# SPDX-License-Identifier: Apache-2.0
"""Paths that lie on pages which are not resident yet are read all the same."""

from pathlib import Path

import pytest

from tests.capture.conftest import Build
from tests.capture.recording import Recorder

pytestmark = pytest.mark.bpf

COUNT = 200


def test_paths_on_pages_not_mapped_are_recorded(
    record: Recorder, build: Build, tmp_path: Path
) -> None:
    recording = record([build("coldpages"), tmp_path / "strings", str(COUNT)])
    assert recording.code == 0, recording.stderr  # 70: a page was mapped already
    cold = [row for row in recording.where(syscall="newfstatat") if row["ret"] == -2]
    assert [row["path"] for row in cold] == [f"/cold/page/{number}" for number in range(COUNT)]
    assert recording.session["defects"]["unreadable"] == 0
