# SPDX-License-Identifier: Apache-2.0
"""A call that a seccomp filter answered did not look at a file: neither a hit nor a miss."""

import pytest

from snoop_format.schema import BLOCKED
from tests.capture.conftest import Build
from tests.capture.recording import Recorder, Recording

pytestmark = pytest.mark.bpf

ENOENT = -2


@pytest.fixture(scope="module")
def recording(record: Recorder, build: Build) -> Recording:
    made = record([build("filtered")])
    assert made.code == 0, made.stderr
    return made


@pytest.mark.parametrize("path", ["/denied", "/trapped", "/emulated"])
def test_what_a_filter_answers_is_marked(recording: Recording, path: str) -> None:
    rows = recording.where(path=path)
    assert rows
    assert {(row["note"], row["ret"]) for row in rows} == {(BLOCKED, None)}


def test_what_it_lets_by_has_its_result(recording: Recording) -> None:
    missing = recording.one(path="/missing")
    assert (missing["note"], missing["ret"]) == (None, ENOENT)
    opened = recording.where(path="/etc/hostname")
    assert len(opened) == 3
    assert all(row["ret"] > 2 and row["note"] is None for row in opened)
