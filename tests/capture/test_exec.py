# SPDX-License-Identifier: Apache-2.0
"""Programs that are started, and those that could not be."""

import os
import platform
import shlex
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from snoop_capture.btf import KernelTypes
from snoop_capture.syscalls import syscall_table
from snoop_format.schema import UNREADABLE, UNRESOLVED_BASE
from tests.capture.conftest import Build
from tests.capture.recording import Recorder, Recording

pytestmark = pytest.mark.bpf

ON_X86 = pytest.mark.skipif(platform.machine() != "x86_64", reason="32-bit programs of x86")
AT_FDCWD, AT_EMPTY_PATH = -100, 0x1000
ENOENT, ENOEXEC, EBADF, ENOMEM, EACCES, EINVAL = -2, -8, -9, -12, -13, -22
# An ELF file for x86-64 (elf(5)) that is sound but for its second segment, which lies beyond what a
# program may have, also with page tables of five levels: seen when the first one is in place.
LATE = b"\x7fELF\x02\x01\x01".ljust(16, b"\0") + struct.pack(
    "<HHIQQQIHHHHHH", 2, 62, 1, 0x400000, 64, 0, 0, 64, 56, 2, 0, 0, 0
)
for address in (0x400000, 1 << 56):
    LATE += struct.pack("<IIQQQQQQ", 1, 5, 0, address, address, 0x1000, 0x1000, 0x1000)


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


@ON_X86
def test_an_exec_that_fails_too_late(record: Recorder, build: Build, tmp_path: Path) -> None:
    """The program's memory is gone by then: what stands where the path was is another one's."""
    program = tmp_path / "late"
    program.write_bytes(LATE.ljust(0x2000, b"\0"))
    program.chmod(0o755)
    command = ["setarch", "-R", build("steps"), "exec", str(program), *["more"] * 20]
    recording = record(["sh", "-c", '"$@"; exit 0', "sh", *command])
    row = recording.one(syscall="execve", ret=ENOMEM)
    assert (row["path"], row["note"], row["real_path"]) == (None, UNREADABLE, None)


@ON_X86
def test_an_exec_after_one_that_fails_too_late(
    record: Recorder, build: Build, tmp_path: Path
) -> None:
    """The kernel has both at one address; what the first was called with is not the other's."""
    program = tmp_path / "late"
    program.write_bytes(LATE.ljust(0x2000, b"\0"))
    program.chmod(0o755)
    late = shlex.join([build("steps"), "execat", "8", "0", "late", *["more"] * 20])
    script = f"exec 8<{tmp_path}; cd /bin; for i in 1 2 3 4 5; do {late}; ./true; ./true; done"
    recording = record(["taskset", "-c", "0", "setarch", "-R", "sh", "-c", script])
    rows = recording.where(path="./true", ret=0)
    assert len(rows) == 10
    assert {(row["syscall"], row["dirfd"]) for row in rows} == {("execve", None)}
    assert {row["base"] for row in rows} == {os.path.realpath("/bin")}


# How execveat is called, and the base of its row. In {} there are "program" and "script"; there
# descriptor 9 is open for the one, 7 for the other, 8 for {} itself; 77 is not open.
EXECVEATS: dict[str, tuple[int, int, str, str | None]] = {
    "the program's descriptor": (9, AT_EMPTY_PATH, "", None),
    "the directory's": (8, 0, "program", "{}"),
    "a script's": (7, AT_EMPTY_PATH, "", None),
    "none, with an absolute path": (77, 0, "{}/program", None),
    "the working directory": (AT_FDCWD, 0, "program", "{}"),
}


@pytest.fixture(scope="module")
def execveats(
    record: Recorder, build: Build, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Recording, Path]:
    directory = tmp_path_factory.mktemp("programs")
    steps = build("steps")
    subprocess.run(["cp", steps, directory / "program"], check=True)
    script(directory / "script", "/bin/sh")
    calls = [
        shlex.join([steps, "execat", str(dirfd), str(flags), path.format(directory)])
        for dirfd, flags, path, _ in EXECVEATS.values()
    ]
    opened = f"exec 9< program 8< '{directory}' 7< script"
    command = " && ".join([opened, *calls, f"{steps} execat 77 0 program"])
    recording = record(["sh", "-c", command], cwd=directory)
    assert recording.code == 0, recording.stderr
    return recording, directory


@pytest.mark.parametrize("name", EXECVEATS)
def test_execveat(execveats: tuple[Recording, Path], name: str) -> None:
    recording, directory = execveats
    dirfd, flags, path, base = EXECVEATS[name]
    is_told = KernelTypes().has_tracepoint("sched_prepare_exec")
    if not is_told and dirfd in (AT_FDCWD, 77):
        pytest.skip("before Linux 6.10 an execveat that needs no descriptor looks like an execve")
    row = recording.one(syscall="execveat", dirfd=dirfd, ret=0)
    assert (row["path"], row["flags"]) == (path.format(directory), flags if is_told else None)
    assert row["base"] == (base and base.format(directory))
    status = (directory / "program").stat()
    if name != "a script's":
        assert (row["dev"], row["ino"]) == (status.st_dev, status.st_ino)


def test_a_script_through_a_descriptor(execveats: tuple[Recording, Path]) -> None:
    recording, _ = execveats
    row = recording.one(dirfd=7, ret=0)
    interpreter = recording.one(syscall="exec_interpreter")
    assert (interpreter["path"], interpreter["pid"]) == ("/bin/sh", row["pid"])
    assert (interpreter["dirfd"], interpreter["flags"]) == (None, None)


def test_a_program_that_is_no_file(record: Recorder) -> None:
    """Python's execve of a descriptor is fexecve(3); what is in a memfd has no name."""
    script = """
import os
memory = os.memfd_create('m', 0)
os.write(memory, open('/bin/true', 'rb').read())
os.execve(memory, ['true'], {})
"""
    recording = record(["/usr/bin/python3", "-I", "-c", script])
    assert recording.code == 0, recording.stderr
    row = recording.one(syscall="execveat", ret=0)
    assert (row["path"], row["base"], row["real_path"]) == ("", None, None)
    assert row["ino"] is not None
    program = [other for other in recording.where(pid=row["pid"]) if other["seq"] >= row["seq"]]
    assert len(program) > 2
    assert {other["exe"] for other in program} == {None}


def test_a_failing_execveat(execveats: tuple[Recording, Path]) -> None:
    recording, _ = execveats
    row = recording.one(syscall="execveat", path="program", dirfd=77)
    assert (row["ret"], row["base"], row["note"]) == (EBADF, None, UNRESOLVED_BASE)


def test_a_question_whether_a_program_may_be_executed(record: Recorder, tmp_path: Path) -> None:
    """AT_EXECVE_CHECK, since Linux 6.14: nothing is executed, but the file is looked at."""
    program = script(tmp_path / "program", "/bin/sh")
    asks = """
import ctypes, sys
if "filtered" in sys.argv:
    import seccomp
    seccomp.SyscallFilter(seccomp.ALLOW).load()
ask = ctypes.CDLL(None).syscall
for name in (b"program", b"none"):
    ask(int(sys.argv[1]), -100, name, None, None, 0x10000)
"""
    table = syscall_table(platform.machine())
    number = min(number for number, call in table.items() if call.name == "execveat")
    for filtered in ([], ["filtered"]):
        command = [sys.executable, "-c", asks, str(number), *filtered]
        recording = record(command, cwd=tmp_path)
        asked = recording.where(syscall="execveat")
        if asked[0]["ret"] == EINVAL:
            pytest.skip("before Linux 6.14 there is no such question")
        assert [(row["path"], row["base"], row["ret"], row["note"]) for row in asked] == [
            (program.name, str(tmp_path), 0, None),
            ("none", str(tmp_path), ENOENT, None),
        ]


@ON_X86
def test_calls_of_a_32_bit_program(record: Recorder, build: Build) -> None:
    program = build("compat", "-m32", "-nostdlib")
    recording = record(["sh", "-c", f"cd /etc && '{program}'; exit $?"])
    assert recording.code == 32, recording.stderr
    access = recording.one(path="/from/32/bit")
    openat = recording.one(path="relative/32")
    assert (access["syscall"], access["ret"]) == ("access", ENOENT)
    assert (openat["syscall"], openat["ret"], openat["base"]) == ("openat", ENOENT, "/etc")


@ON_X86
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
