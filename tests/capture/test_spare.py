# SPDX-License-Identifier: Apache-2.0
"""Room is kept on the disk, given to what needs it, and kept again."""

import errno
from collections.abc import Callable
from pathlib import Path

import pytest

from snoop_capture.spare import Spare


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "session.spare.tmp"


@pytest.fixture
def spare(tmp_path: Path) -> Spare:
    spare = Spare(tmp_path / "session.json")
    spare.take(1 << 14)
    return spare


def failing(times: int, number: int = errno.ENOSPC) -> Callable[[], None]:
    """A step that fails so many times."""
    left = [None] * times

    def step() -> None:
        if left:
            left.pop()
            raise OSError(number, "it fails")

    return step


def test_room_is_taken_once_and_enlarged(spare: Spare, file: Path) -> None:
    assert file.stat().st_blocks * 512 >= 1 << 14
    for size, kept in ((1 << 13, 1 << 14), (1 << 15, 1 << 15)):
        spare.take(size)
        assert file.stat().st_size == kept


@pytest.mark.parametrize("fails", [0, 1, 2])
def test_a_step_that_finds_no_room_has_what_was_kept(spare: Spare, file: Path, fails: int) -> None:
    step = failing(fails)
    if fails < 2:
        spare.used_for(step)
    else:
        with pytest.raises(OSError, match="it fails"):
            spare.used_for(step)
    assert file.exists() == (fails == 0)
    spare.take(1 << 14)
    assert file.stat().st_size == 1 << 14


def test_another_error_costs_no_room(spare: Spare, file: Path) -> None:
    with pytest.raises(OSError, match="it fails"):
        spare.used_for(failing(1, errno.EROFS))
    assert file.exists()


def test_where_the_directory_is_gone_there_is_none(spare: Spare, file: Path) -> None:
    spare.drop()
    file.parent.rmdir()
    spare.take(1 << 14)
    file.parent.mkdir()
    spare.take(1 << 14)
    assert file.exists()
