# SPDX-License-Identifier: Apache-2.0
"""Every call of the table is made once, natively and by a 32-bit program, and found as it was made.

The arguments are written down here as the manual pages have them. That a call has them right is
the kernel's word: it finds no such file, where for an argument in a wrong place it would find fault
with that.
"""

import platform
import shlex
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.capture.conftest import Build
from tests.capture.recording import Recorder, Recording
from tests.capture.test_syscalls import MACHINES, header, ours

pytestmark = pytest.mark.bpf

ENOENT, EINVAL, ENOSYS = -2, -22, -38
X32 = 0x40000000  # arch/x86/include/uapi/asm/unistd.h
MACHINES_HERE = [machine for machine, _ in MACHINES[platform.machine()]]
AT_FD, INOTIFY_FD, FANOTIFY_FD = 7, 8, 9  # of tests/programs/each.c

# PATH, OLD, NEW: a path that leads nowhere. ADDRESS: a socket's, with such a path. TEXT: an OLD
# that nobody looks up. AT: a directory's descriptor; OF: likewise, of the path before it. F:N:
# flags. "text, &N and N: see tests/programs/each.c.
CALLS = """
open             PATH F:0x80000 0
openat           AT PATH F:0x80000 0
openat2          AT PATH &0x80000 24
creat            PATH 0600
open_tree        AT PATH F:0x80000
open_tree_attr   AT PATH F:0x80000 &1 32
execve           PATH 0 0
execveat         AT PATH 0 0 F:0x100
uselib           PATH
stat             PATH &0
lstat            PATH &0
oldstat          PATH &0
oldlstat         PATH &0
stat64           PATH &0
lstat64          PATH &0
newfstatat       AT PATH &0 F:0x100
fstatat64        AT PATH &0 F:0x100
statx            AT PATH F:0x100 0x7ff &0
statfs           PATH &0
statfs64         PATH 84 &0
file_getattr     AT PATH &0 24 F:0x100
file_setattr     AT PATH &0 24 F:0x100
access           PATH 4
faccessat        AT PATH 4
faccessat2       AT PATH 4 F:0x200
readlink         PATH &0 10
readlinkat       AT PATH &0 10
name_to_handle_at AT PATH &0 &0 F:0x400
chdir            PATH
chroot           PATH
pivot_root       NEW OLD
mkdir            PATH 0700
mkdirat          AT PATH 0700
mknod            PATH 0100600 0
mknodat          AT PATH 0100600 0
rmdir            PATH
unlink           PATH
unlinkat         AT PATH F:0x200
rename           OLD NEW
renameat         AT OLD AT NEW
renameat2        AT OLD AT NEW F:1
link             OLD NEW
linkat           AT OLD AT NEW F:0x400
symlink          TEXT NEW
symlinkat        TEXT AT NEW
chmod            PATH 0600
fchmodat         AT PATH 0600
fchmodat2        AT PATH 0600 F:0x100
chown            PATH 1 1
chown32          PATH 1 1
lchown           PATH 1 1
lchown32         PATH 1 1
fchownat         AT PATH 1 1 F:0x100
utime            PATH 0
utimes           PATH 0
futimesat        AT PATH 0
utimensat        AT PATH 0 F:0x100
utimensat_time64 AT PATH 0 F:0x100
truncate         PATH 0
truncate64       PATH 0 0
setxattr         PATH "user.x &0 1 F:1
lsetxattr        PATH "user.x &0 1 F:1
getxattr         PATH "user.x &0 1
lgetxattr        PATH "user.x &0 1
listxattr        PATH &0 1
llistxattr       PATH &0 1
removexattr      PATH "user.x
lremovexattr     PATH "user.x
setxattrat       AT PATH F:0x100 "user.x &0 16
getxattrat       AT PATH F:0x100 "user.x &0 16
listxattrat      AT PATH F:0x100 &0 1
removexattrat    AT PATH F:0x100 "user.x
inotify_add_watch 8 PATH F:2
fanotify_mark    9 F:1 0x20 AT PATH
mount            TEXT NEW "tmpfs F:1 0
umount           PATH
umount2          PATH F:2
move_mount       AT OLD AT NEW F:0
mount_setattr    AT PATH F:0x100 &1 32
fspick           AT PATH F:1
fsconfig         10 F:3 "key PATH OF
bind             11 ADDRESS 110
connect          11 ADDRESS 110
swapon           PATH F:0
swapoff          PATH
acct             PATH
quotactl         0x80000400 PATH 0 &0
"""
# Its 64-bit mask takes two arguments of a 32-bit call.
CALLS_32 = {"fanotify_mark": "9 F:1 0x20 0 AT PATH"}

# What calls find that do not look for the file first.
RESULTS = {"fsconfig": EINVAL}

# Calls that kernels are built without; those with numbers from here on are newer than some kernel.
OPTIONAL = {"uselib", "swapon", "swapoff", "acct", "quotactl", "oldstat", "oldlstat"}
NEW_NUMBERS = 428

_PATHS = ("PATH", "OLD", "NEW", "TEXT", "ADDRESS")


@dataclass(frozen=True)
class Made:
    """A call: words for tests/programs/each.c, and the rows it must become, without results."""

    name: str
    words: list[str]
    rows: list[dict[str, object]]


def made(name: str, number: int, arguments: list[str], cwd: Path) -> Made:
    words = [f"{number}:"]
    rows: list[dict[str, object]] = []
    dirfd = flags = None
    for argument in arguments:
        if argument == "AT":
            dirfd = AT_FD
            words.append(f"={AT_FD}")
        elif argument == "OF":
            rows[-1] |= {"dirfd": AT_FD, "base": str(cwd / "at")}
            words.append(f"={AT_FD}")
        elif argument in _PATHS:
            path = f"no/{name}/{argument.lower()}"
            words.append(("@" if argument == "ADDRESS" else '"') + path)
            base = None if argument == "TEXT" else str(cwd / "at" if dirfd else cwd)
            role = {"PATH": None, "ADDRESS": None, "TEXT": "old"}.get(argument, argument.lower())
            rows.append({"path": path, "path_role": role, "dirfd": dirfd, "base": base})
            dirfd = None
        elif argument.startswith("F:"):
            flags = int(argument[2:], 0)
            words.append(f"={argument[2:]}")
        else:
            words.append(argument if argument[0] in '"&' else f"={argument}")
    if name == "openat2":
        flags = 0x80000
    return Made(name, words, [{"syscall": name, "flags": flags, **row} for row in rows])


def calls_of(machine: str, cwd: Path) -> list[Made]:
    arguments = dict(line.split(maxsplit=1) for line in CALLS.strip().splitlines())
    if machine == "i386":
        arguments |= CALLS_32
    numbers = ours(machine) | header(machine)
    return [
        made(name, numbers[name], words.split(), cwd)
        for name, words in arguments.items()
        if name in ours(machine)
    ]


@pytest.mark.parametrize("machine", MACHINES_HERE)
def test_the_list_is_complete(machine: str) -> None:
    names = {call.name for call in calls_of(machine, Path())}
    assert names == set(ours(machine))


@pytest.fixture(scope="module", params=MACHINES_HERE)
def recording(
    request: pytest.FixtureRequest,
    record: Recorder,
    build: Build,
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Recording, list[Made]]:
    cwd = tmp_path_factory.mktemp("each")
    (cwd / "at").mkdir()
    calls = calls_of(request.param, cwd)
    program = build("each", *(["-m32"] if request.param == "i386" else []))
    recording = record([program, *(word for call in calls for word in call.words)], cwd=cwd)
    assert recording.code == 0, recording.stderr
    return recording, calls


def test_every_call_has_its_rows(recording: tuple[Recording, list[Made]]) -> None:
    made, calls = recording
    recorded = [row for row in made.rows if (row["path"] or "").startswith("no/")]
    expected = [row for call in calls for row in call.rows]
    assert [{name: row[name] for name in expected[0]} for row in recorded] == expected
    assert {row["note"] for row in recorded} == {None}
    assert made.lost == 0


def test_every_call_has_its_result(recording: tuple[Recording, list[Made]]) -> None:
    made, calls = recording
    results = [int(line) for line in made.stdout.split()]
    rows = [row for row in made.rows if (row["path"] or "").startswith("no/")]
    recorded = iter(rows)
    for call, result in zip(calls, results, strict=True):
        assert {next(recorded)["ret"] for _ in call.rows} == {result}, call
        may_miss = call.name in OPTIONAL or int(call.words[0][:-1]) >= NEW_NUMBERS
        expected = RESULTS.get(call.name, ENOENT)
        assert result == expected or (may_miss and result == ENOSYS), shlex.join(call.words)


@pytest.mark.skipif(platform.machine() != "x86_64", reason="an ABI of x86")
def test_calls_of_the_x32_abi(record: Recorder, build: Build, tmp_path: Path) -> None:
    """Whether the kernel knows it or not; execve has a number of its own there."""
    (tmp_path / "at").mkdir()
    words = [f"{X32 + 269}:", "=7", '"x32', "=0", f"{X32 + 520}:", '"./x32', "=0", "=0"]
    recording = record([build("each"), *words], cwd=tmp_path)
    results = [int(line) for line in recording.stdout.split()]
    assert set(results) <= {ENOENT, ENOSYS}
    access, execve = (row for row in recording.rows if "x32" in (row["path"] or ""))
    assert (access["syscall"], access["path"], access["ret"]) == ("faccessat", "x32", results[0])
    assert access["base"] == str(tmp_path / "at")
    assert (execve["syscall"], execve["path"], execve["ret"]) == ("execve", "./x32", results[1])


def test_fsconfig_without_a_path_is_no_row(record: Recorder, build: Build, tmp_path: Path) -> None:
    string, flag = ["431:", "=10", "=1", '"source', '"none', "=0"], ["431:", "=10", "=0", '"ro']
    recording = record([build("each"), *string, *flag], cwd=tmp_path)
    assert recording.stdout.split() == [b"0", b"0"]
    assert recording.where(syscall="fsconfig") == []
