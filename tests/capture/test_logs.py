# SPDX-License-Identifier: Apache-2.0
"""What the recorder says while it runs."""

import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from snoop_capture import logs
from tests.capture.conftest import Build
from tests.capture.services import Service
from tests.capture.trees import inside, made

log = logging.getLogger("snoop_capture.storage")


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    root, own = logging.getLogger(), logging.getLogger("snoop_capture")
    before = root.handlers[:], root.level, own.level
    yield
    root.handlers, root.level, own.level = before


def test_lines_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up("info", logs.CONSOLE)
    log.debug("details")
    log.info("begun in %s", "/captures")
    log.warning("the API server says %s", "no\nsnoop-capture: all is well\x1b[2J")
    log.error("gone")
    logging.getLogger("urllib3").info("a library's chatter")
    assert capsys.readouterr().err.splitlines() == [
        "snoop-capture: begun in /captures",
        r"snoop-capture: warning: the API server says no\nsnoop-capture: all is well\x1b[2J",
        "snoop-capture: gone",
    ]


def test_objects_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    logs.set_up("debug", logs.JSON)
    log.debug("more\nlines", extra={"events": 3})
    said = json.loads(capsys.readouterr().err)
    assert said.pop("time").endswith("+00:00")
    assert said == {
        "level": "DEBUG",
        "logger": "snoop_capture.storage",
        "message": "more\nlines",
        "events": 3,
    }


@pytest.mark.parametrize("form", [logs.CONSOLE, logs.JSON])
def test_repeats_are_counted(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    now = 1000.0
    monkeypatch.setattr("snoop_capture.logs.time.monotonic", lambda: now)
    logs.set_up("info", form)
    for segment in range(100):
        log.warning("cannot seal segment %d", segment)
    log.warning("something else")
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 6
    assert "cannot seal segment 4" in lines[4]
    now += 61
    log.warning("cannot seal segment %d", 100)
    lines = capsys.readouterr().err.splitlines()
    assert "95 more lines like this were not logged: cannot seal segment 99" in lines[0]
    assert "cannot seal segment 100" in lines[1]


def test_what_was_kept_back_is_said_at_the_end() -> None:
    program = (
        "import logging; from snoop_capture import logs; logs.set_up('info', 'console')\n"
        "log = logging.getLogger('snoop_capture')\n"
        "for i in range(8): log.error('no room in %s: %d', '/100%s', i)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    *said, last = done.stderr.splitlines()
    assert said == [f"snoop-capture: no room in /100%s: {i}" for i in range(5)]
    assert last == "snoop-capture: 3 more lines like this were not logged: no room in /100%s: 7"


@pytest.mark.bpf
@pytest.mark.parametrize("level", ["debug", "info"])
def test_a_recording_in_json(tree: Path, capture: Path, build: Build, level: str) -> None:
    arguments = ["--log-format", "json", "--log-level", level]
    service = Service(capture, "cgroup", made(tree / "a"), *arguments, env={"SNOOP_MAX_SIZ": "1"})
    subprocess.run(inside(tree / "a", build("calls"), "100", "1", "1", "/secret/name"))
    recording = service.stop()
    said = [json.loads(line) for line in recording.stderr.splitlines()]
    first, *_, last = said
    assert (
        first["message"] == "SNOOP_MAX_SIZ is set, but is no setting; did you mean SNOOP_MAX_SIZE?"
    )
    assert (first["level"], last["level"]) == ("WARNING", "INFO")
    assert last["events"] == len(recording.rows)
    assert (last["losses"], last["session"]) == ({}, str(recording.directory))
    assert recording.where(path="/secret/name")
    assert "/secret" not in recording.stderr


@pytest.mark.bpf
def test_what_prevents_a_recording_in_json(tmp_path: Path) -> None:
    program = "from snoop_capture.cli import main; main()"
    command = [sys.executable, "-c", program, "cgroup", "/none", "--log-format", "json"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1
    said = json.loads(done.stderr)
    assert said["level"] == "ERROR"
    assert said["message"].startswith("/none is no cgroup")
