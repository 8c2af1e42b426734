# SPDX-License-Identifier: Apache-2.0
"""Programs that are started, and those that could not be."""

import os
import subprocess
from pathlib import Path

import pytest

from snoop_format.schema import UNRESOLVED_BASE
from tests.capture.conftest import Build
from tests.capture.recording import Recorder, Recording

pytestmark = pytest.mark.bpf

AT_EMPTY_PATH = "0x1000"
ENOENT, ENOEXEC, EBADF, EACCES = -2, -8, -9, -13


def script(path: Path, interpreter: str, body: str = "") -> Path:
    path.write_text(f"#!{interpreter}\n{body}")
    path.chmod(0o755)
    return path


def test_a_script_names_its_interpreter(record: Recorder, tmp_path: Path) -> None:
    program = script(tmp_path / "script", "/bin/sh -e", "exit 5\n")
    recording = record([program])
    assert recording.code == 5
    execve, interpreter = recording.rows[:2]
    assert (execve["syscall"], execve["path"], execve["ret"]) == ("execve", str(program), 0)
    assert (interpreter["syscall"], interpreter["path"]) == ("exec_interpreter", "/bin/sh")
    assert interpreter["real_path"] == os.path.realpath("/bin/sh")
    assert (interpreter["pid"], interpreter["ret"]) == (execve["pid"], 0)


def test_a_script_of_a_script(record: Recorder, tmp_path: Path) -> None:
    inner = script(tmp_path / "inner", "/bin/sh")
    outer = script(tmp_path / "outer", str(inner))
    recording = record([outer])
    assert recording.rows[0]["path"] == str(outer)
    # The kernel tells the last one only.
    assert [row["path"] for row in recording.where(syscall="exec_interpreter")] == ["/bin/sh"]


def test_a_relative_interpreter_has_a_base(record: Recorder, tmp_path: Path) -> None:
    (tmp_path / "sh").symlink_to("/bin/sh")
    program = script(tmp_path / "script", "sh")
    recording = record(["sh", "-c", "exec ./script"], cwd=tmp_path)
    execve = recording.one(path="./script", syscall="execve")
    interpreter = recording.one(path="sh", syscall="exec_interpreter")
    assert (execve["base"], interpreter["base"]) == (str(tmp_path), str(tmp_path))
    assert program.exists()


def test_a_search_along_path_shows_every_miss(record: Recorder) -> None:
    recording = record(["env", "PATH=/no/1:/no/2:/usr/bin:/bin", "true"])
    assert recording.code == 0
    tries = [row for row in recording.where(syscall="execve") if row["path"].endswith("/true")]
    assert [(row["path"], row["ret"]) for row in tries] == [
        ("/no/1/true", ENOENT),
        ("/no/2/true", ENOENT),
        ("/usr/bin/true", 0),
    ]
    assert recording.where(path="/no/1/true")[0]["comm"] == "env"


def test_programs_that_cannot_be_started(record: Recorder, build: Build, tmp_path: Path) -> None:
    no_interpreter = script(tmp_path / "no_interpreter", "/no/interpreter")
    no_format = tmp_path / "no_format"
    no_format.write_text("what is this?")
    no_format.chmod(0o755)
    no_permission = tmp_path / "no_permission"
    no_permission.touch(0o644)
    failures = {no_interpreter: ENOENT, no_format: ENOEXEC, no_permission: EACCES}
    words = [word for path in failures for word in ("exec", str(path))]
    recording = record([build("steps"), *words])
    assert [int(line) for line in recording.stdout.split()] == list(failures.values())
    for path, ret in failures.items():
        row = recording.one(path=str(path), syscall="execve")
        assert (row["ret"], row["real_path"], row["note"]) == (ret, None, None)


@pytest.fixture(scope="module")
def through_descriptors(
    record: Recorder, build: Build, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Recording, Path]:
    directory = tmp_path_factory.mktemp("programs")
    steps = build("steps")
    subprocess.run(["cp", steps, directory / "program"], check=True)
    program = script(directory / "script", "/bin/sh")
    command = f"""
        exec 9< '{directory}/program' 8< '{directory}' 7< '{program}'
        '{steps}' execat 9 {AT_EMPTY_PATH} '' || exit
        '{steps}' execat 8 0 program || exit
        '{steps}' execat 77 0 '{directory}/program' || exit
        '{steps}' execat 7 {AT_EMPTY_PATH} '' || exit
        '{steps}' execat 77 0 program
    """
    recording = record(["sh", "-c", command])
    assert recording.code == 0, recording.stderr
    return recording, directory


def test_exec_through_a_descriptor(through_descriptors: tuple[Recording, Path]) -> None:
    recording, directory = through_descriptors
    empty = recording.one(dirfd=9, ret=0)
    relative = recording.one(dirfd=8, ret=0)
    absolute = recording.one(path=f"{directory}/program", ret=0)
    assert (empty["path"], empty["base"]) == ("", None)
    assert (relative["path"], relative["base"]) == ("program", str(directory))
    assert absolute["base"] is None
    status = (directory / "program").stat()
    for row in (empty, relative, absolute):
        assert (row["ret"], row["dev"], row["ino"]) == (0, status.st_dev, status.st_ino)


def test_a_script_through_a_descriptor(through_descriptors: tuple[Recording, Path]) -> None:
    recording, _ = through_descriptors
    row = recording.one(dirfd=7, ret=0)
    assert row["path"] == ""
    interpreter = recording.one(syscall="exec_interpreter")
    assert (interpreter["path"], interpreter["pid"]) == ("/bin/sh", row["pid"])


def test_a_failing_execveat(through_descriptors: tuple[Recording, Path]) -> None:
    recording, _ = through_descriptors
    row = recording.one(syscall="execveat", path="program", dirfd=77)
    assert (row["ret"], row["base"], row["note"]) == (EBADF, None, UNRESOLVED_BASE)


def test_an_execveat_is_called_so(through_descriptors: tuple[Recording, Path]) -> None:
    recording, _ = through_descriptors
    assert [recording.one(dirfd=fd, ret=0)["syscall"] for fd in (7, 8, 9)] == ["execveat"] * 3


def test_calls_of_a_32_bit_program(record: Recorder, build: Build) -> None:
    program = build("compat", "-m32", "-nostdlib")
    recording = record(["sh", "-c", f"cd /etc && '{program}'; exit $?"])
    assert recording.code == 32, recording.stderr
    access = recording.one(path="/from/32/bit")
    openat = recording.one(path="relative/32")
    assert (access["syscall"], access["ret"]) == ("access", ENOENT)
    assert (openat["syscall"], openat["ret"], openat["base"]) == ("openat", ENOENT, "/etc")


def test_a_32_bit_program_is_started(record: Recorder, build: Build) -> None:
    program = build("compat", "-m32", "-nostdlib")
    recording = record([program])
    assert (recording.rows[0]["path"], recording.rows[0]["syscall"]) == (program, "execve")


def test_exec_by_a_thread(record: Recorder, build: Build) -> None:
    recording = record([build("steps"), "threadexec", "/bin/true"])
    assert recording.code == 0
    row = recording.one(path="/bin/true", syscall="execve")
    assert (row["ret"], row["pid"], row["tid"]) == (0, recording.rows[0]["pid"], row["pid"])


def test_the_executable_changes_with_exec(record: Recorder) -> None:
    recording = record(["sh", "-c", "exec cat /etc/hostname"])
    by_exe = {row["exe"] for row in recording.rows}
    assert by_exe == {os.path.realpath("/bin/sh"), os.path.realpath("/bin/cat")}
    assert recording.one(path="/etc/hostname")["exe"] == os.path.realpath("/bin/cat")
