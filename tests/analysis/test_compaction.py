# SPDX-License-Identifier: Apache-2.0
"""Compacting while others are at work on the same session: real processes, a fixed schedule."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from snoop_analysis import Capture, compaction
from snoop_analysis.cli import cli
from snoop_analysis.errors import CaptureError
from snoop_format.locks import LOCK_FILE, SessionLock
from snoop_format.session import sealed_name, segments

from .conftest import write_session

EVENTS = [{"path": f"/{n % 7}"} for n in range(40)]
ENDED = {"started_at": "2026-01-01T00:00:00Z", "ended_at": "2026-01-01T01:00:00Z"}
REFUSED = "is just being compacted by another process"

# The command, which says where it stands and goes on when it is told to.
PAUSED = """
import os, sys
from snoop_analysis import compaction
from snoop_analysis.cli import main

def pause(at):
    print(at, flush=True)
    sys.stdin.readline()

exchange, unlink = compaction._exchange, os.unlink

def exchange_paused(new, old):
    pause("before the exchange")
    exchange(new, old)
    pause("after the exchange")

def unlink_paused(*arguments, **options):
    os.unlink = unlink
    pause("before the first removal")
    unlink(*arguments, **options)

if sys.argv.pop(1) == "exchange":
    compaction._exchange = exchange_paused
else:
    os.unlink = unlink_paused
main()
"""
POINTS = ("before the exchange", "after the exchange")
Start = Callable[[str], "Paused"]


class Paused:
    """A ``snoop-analyze compact`` that waits at certain points."""

    def __init__(self, at: str, path: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", PAUSED, at, "compact", str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def reaches(self) -> str:
        """The point that it waits at now; nothing if it has ended."""
        assert self.process.stdout
        return self.process.stdout.readline().strip()

    def goes_on(self) -> None:
        assert self.process.stdin
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def goes_on_until(self, point: str) -> None:
        for one in POINTS:
            assert self.reaches() == one
            if one == point:
                return
            self.goes_on()

    def ends(self) -> tuple[int, str]:
        """Let it end; its exit code and what it says."""
        out, err = self.process.communicate("\n" * 3)
        return self.process.returncode, out + err


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_session(tmp_path / "s", EVENTS, 8, **ENDED)


@pytest.fixture
def start(path: Path) -> Iterator[Start]:
    with ExitStack() as ended:

        def started(at: str) -> Paused:
            compacts = Paused(at, path)
            ended.enter_context(compacts.process)
            ended.callback(compacts.process.kill)
            return compacts

        yield started


def compact(path: Path) -> tuple[int, str]:
    """One that does not wait."""
    command = [sys.executable, "-c", "from snoop_analysis.cli import main; main()", "compact"]
    done = subprocess.run([*command, str(path)], capture_output=True, text=True)
    return done.returncode, done.stdout + done.stderr


def report(path: Path) -> dict[str, Any]:
    return Capture(path).replay().report().as_dict()


def is_compacted(path: Path) -> bool:
    """Whether it is, and nothing else is left beside it or in it."""
    return list(path.parent.iterdir()) == [path] and sorted(
        entry.name for entry in path.iterdir()
    ) == [sealed_name(1), "session.json"]


@pytest.mark.parametrize("point", POINTS)
def test_a_session_that_is_being_compacted_is_refused(path: Path, start: Start, point: str) -> None:
    wanted = report(path)
    first = start("exchange")
    first.goes_on_until(point)
    status, said = compact(path.parent)
    assert status == 1
    assert said.startswith(f"snoop-analyze: {path} {REFUSED}")
    assert said.endswith("try again later\n")
    assert first.ends()[0] == 0
    assert is_compacted(path)
    assert report(path) == wanted


def test_what_takes_the_place_of_a_session_is_not_removed_as_left_over(
    path: Path, start: Start
) -> None:
    """The second begins to remove the first one's directory, which the first then exchanges."""
    wanted = report(path)
    first = start("exchange")
    first.goes_on_until("before the exchange")
    second = start("removal")
    second.reaches()
    first.goes_on()
    assert first.reaches() == "after the exchange"
    status, said = second.ends()
    assert first.ends()[0] == 0
    assert report(path) == wanted
    assert is_compacted(path)
    assert (status, said.startswith(f"snoop-analyze: {path} {REFUSED}")) == (1, True)


@pytest.mark.parametrize("point", POINTS)
def test_one_that_is_killed_holds_nobody_up(path: Path, start: Start, point: str) -> None:
    wanted = report(path)
    first = start("exchange")
    first.goes_on_until(point)
    first.process.kill()
    first.process.wait()
    assert path.with_name("s.compacting").exists()
    assert report(path) == wanted
    assert compact(path)[0] == 0
    assert is_compacted(path)
    assert report(path) == wanted


@pytest.mark.parametrize("point", POINTS)
def test_a_recorder_makes_no_room_in_what_is_being_compacted(
    path: Path, start: Start, point: str
) -> None:
    """It takes the new directory for a session, too."""
    first = start("exchange")
    first.goes_on_until(point)
    for directory in (path, path.with_name("s.compacting")):
        with pytest.raises(BlockingIOError):
            SessionLock(directory)
    assert first.ends()[0] == 0


def test_a_session_in_which_a_recorder_makes_room_is_refused(path: Path) -> None:
    before = sorted(path.iterdir())
    with SessionLock(path):
        error = CliRunner().invoke(cli, ["compact", str(path)]).exception
    assert isinstance(error, CaptureError)
    assert str(error).startswith(f"{path} {REFUSED}")
    assert sorted(path.iterdir()) == before


def test_a_session_is_compacted_as_it_is_once_it_is_locked(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A recorder may have made room since it was read."""

    def locked(directory: Path) -> SessionLock:
        (directory / sealed_name(1)).unlink()
        return SessionLock(directory)

    monkeypatch.setattr(compaction, "SessionLock", locked)
    assert list(compaction.compact([str(path)], 100)) == [f"{path}: 7 segments are now 1"]
    assert [number for number, _ in segments(path)] == [2]


@pytest.mark.parametrize("ended", [None, ENDED["ended_at"]])
def test_a_session_that_is_left_as_it_is_is_not_written_to(
    tmp_path: Path, ended: str | None
) -> None:
    """A lock in one that has not ended would say that it may be finished."""
    path = write_session(tmp_path / "s", EVENTS, 8 if ended is None else 1, ended_at=ended)
    if ended is None:
        write_session(tmp_path / "s.compacting", EVENTS, 8)
    before = path.stat().st_mtime_ns
    (said,) = compaction.compact([str(path)], 100)
    assert said.startswith(f"{path} is left as it is: ")
    assert path.stat().st_mtime_ns == before
    assert not (path / LOCK_FILE).exists()
