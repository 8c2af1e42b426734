# SPDX-License-Identifier: Apache-2.0
"""Programs of different C libraries make different calls for the same; each is recorded."""

import platform
import subprocess
from pathlib import Path

import pytest

from tests.capture.recording import Recorder

pytestmark = pytest.mark.bpf

ENOENT = -2
SOURCE = Path(__file__).parents[1] / "programs" / "ordinary.c"
BUILDS = {
    "glibc": ["gcc"],
    "glibc, static": ["gcc", "-static"],
    "glibc, 32 bits": ["gcc", "-m32", "-static"],
    "musl": ["musl-gcc"],
    "musl, static": ["musl-gcc", "-static"],
}

# A function, and the system calls that glibc, glibc for 32 bits and musl make of it.
FUNCTIONS = """
open      openat      openat      open
creat     creat       creat       open
fopen     openat      openat      open
opendir   openat      openat      open
stat      newfstatat  statx       stat
lstat     newfstatat  statx       lstat
access    access      access      access
readlink  readlink    readlink    readlink
statfs    statfs      statfs64    statfs
statvfs   statfs      statfs64    statfs
chdir     chdir       chdir       chdir
chroot    chroot      chroot      chroot
mkdir     mkdir       mkdir       mkdir
mkfifo    mknodat     mknodat     mknod
rmdir     rmdir       rmdir       rmdir
unlink    unlink      unlink      unlink
chmod     chmod       chmod       chmod
chown     chown       chown32     chown
lchown    lchown      lchown32    lchown
utime     utimensat   utimensat   utimensat
utimes    utimensat   utimensat   utimensat
truncate  truncate    truncate    truncate
getxattr  getxattr    getxattr    getxattr
execv     execve      execve      execve
execvp    execve      execve      execve
"""


@pytest.mark.parametrize("name", BUILDS)
def test_the_calls_of_a_c_library(record: Recorder, tmp_path: Path, name: str) -> None:
    if platform.machine() != "x86_64":
        pytest.skip("the names of these calls are those of x86-64")
    program = tmp_path / "ordinary"
    subprocess.run([*BUILDS[name], "-O1", "-Wall", "-o", program, SOURCE], check=True)
    recording = record([program], cwd=tmp_path)
    assert recording.code == 0, recording.stderr
    column = 3 if "musl" in name else 2 if "32" in name else 1
    lines = [line.split() for line in FUNCTIONS.strip().splitlines()]
    expected = [(line[column], f"no/{line[0]}", str(tmp_path), ENOENT) for line in lines]
    shown = ("syscall", "path", "base", "ret")
    rows = [row for row in recording.rows if (row["path"] or "").startswith("no/")]
    assert [tuple(row[column] for column in shown) for row in rows] == expected
