# SPDX-License-Identifier: Apache-2.0
"""Where a relative path starts: the ``base`` of its row. The path itself stays as passed."""

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from snoop_format.schema import DELETED, UNRESOLVED_BASE
from tests.capture.conftest import Build
from tests.capture.recording import Recorder, Recording, Row

pytestmark = pytest.mark.bpf

RESOLVE_IN_ROOT = "0x10"
ODD_NAME = b"odd \n\xff"

# name: steps of tests/programs/steps.c ({} is a directory), then the row of the last path looked
# up, whose name is "leaf": path, base and note. In {} there are the directories a/b and a/c.
Case = tuple[list[str], str, str | None, str | None]
CASES: dict[str, Case] = {
    "working directory": (["chdir", "{}/a/b", "stat", "leaf"], "leaf", "{}/a/b", None),
    "the root": (["chdir", "/", "stat", "leaf"], "leaf", "/", None),
    "dots stay": (["chdir", "{}/a/b", "stat", "../c/./leaf"], "../c/./leaf", "{}/a/b", None),
    "above the root": (["chdir", "/", "stat", "../../leaf"], "../../leaf", "/", None),
    "fchdir": (["at", "9", "{}/a/b", "fchdir", "9", "stat", "leaf"], "leaf", "{}/a/b", None),
    "through a symlink": (["chdir", "{}/link", "stat", "leaf"], "leaf", "{}/a/b", None),
    "dirfd": (["at", "9", "{}/a/b", "statat", "9", "leaf"], "leaf", "{}/a/b", None),
    "dirfd of an open": (["at", "9", "{}/a/b", "openat", "9", "leaf"], "leaf", "{}/a/b", None),
    "dirfd of openat2": (["at", "9", "{}/a", "openat2", "9", "0", "leaf"], "leaf", "{}/a", None),
    "dirfd, absolute": (["at", "9", "{}/a/b", "statat", "9", "/leaf"], "/leaf", None, None),
    "dirfd is the root": (
        ["at", "9", "{}/a", "openat2", "9", RESOLVE_IN_ROOT, "/leaf"], "/leaf", "{}/a", None,
    ),
    "the root's own dots": (
        ["at", "9", "{}/a", "openat2", "9", RESOLVE_IN_ROOT, "b/../leaf"],
        "b/../leaf", "{}/a", None,
    ),
    "dots that stop at the root": (
        ["at", "9", "{}/a", "openat2", "9", RESOLVE_IN_ROOT, "b/../../leaf"],
        "b/../../leaf", None, UNRESOLVED_BASE,
    ),
    "dirfd is not open": (["statat", "77", "leaf"], "leaf", None, UNRESOLVED_BASE),
    "dirfd is negative": (["statat", "-5", "leaf"], "leaf", None, UNRESOLVED_BASE),
    "dirfd beyond all": (["statat", "0x7fffffff", "leaf"], "leaf", None, UNRESOLVED_BASE),
    "deleted": (
        ["mkdir", "{}/gone", "chdir", "{}/gone", "rmdir", "{}/gone", "stat", "leaf"],
        "leaf", "{}/gone", DELETED,
    ),
    "deleted dirfd": (
        ["mkdir", "{}/away", "at", "9", "{}/away", "rmdir", "{}/away", "statat", "9", "leaf"],
        "leaf", "{}/away", DELETED,
    ),
    "in a chroot": (["chroot", "{}/a", "chdir", "/b", "stat", "leaf"], "leaf", "/b", None),
    "root of a chroot": (["chroot", "{}/a", "chdir", "/", "stat", "leaf"], "leaf", "/", None),
    "outside of a chroot": (
        ["chdir", "{}", "chroot", "{}/a", "stat", "leaf"], "leaf", None, UNRESOLVED_BASE,
    ),
    "100 directories deep": (
        ["chdir", "{}/deep", "down", "100", "directory", "stat", "leaf"],
        "leaf", "{}/deep" + "/directory" * 100, None,
    ),
    "1,000 directories deep": (
        ["chdir", "{}/deeper", "down", "1000", "d", "stat", "leaf"],
        "leaf", "{}/deeper" + "/d" * 1000, None,
    ),
    "names of 255 bytes": (
        ["chdir", "{}/long", "down", "10", "n" * 255, "stat", "leaf"],
        "leaf", "{}/long" + ("/" + "n" * 255) * 10, None,
    ),
}  # fmt: skip


def leaf(recording: Recording) -> Row:
    (row,) = (row for row in recording.rows if (row["path"] or "").endswith("leaf"))
    return row


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    root = tmp_path_factory.mktemp("bases")
    for name in ("a/b", "a/c", "deep", "deeper", "deepest", "long"):
        (root / name).mkdir(parents=True)
    (root / "link").symlink_to("a/b")
    yield root
    remove(root)


def remove(directory: Path) -> None:
    """Remove a tree that is too deep for pytest to remove."""
    subprocess.run(["rm", "-r", directory], check=True)


@pytest.fixture(scope="module")
def rows(record: Recorder, build: Build, directory: Path) -> dict[str, Row]:
    """All cases in one recording, one process each; every case's row of its leaf."""
    program = build("steps")
    script = "".join(
        f"{shlex.join([program, *(step.format(directory) for step in steps)])} || exit\n"
        for steps, *_ in CASES.values()
    )
    recording = record(["sh", "-c", script], "--ring-buffer-size", "32M")
    assert (recording.code, recording.lost) == (0, 0), recording.stderr
    found = [row for row in recording.rows if (row["path"] or "").endswith("leaf")]
    return dict(zip(CASES, found, strict=True))


@pytest.mark.parametrize("name", CASES)
def test_the_base_of_a_relative_path(rows: dict[str, Row], directory: Path, name: str) -> None:
    _, path, base, note = CASES[name]
    expected = base and base.format(directory)
    row = rows[name]
    assert (row["path"], row["base"], row["note"]) == (path, expected, note)


def test_a_base_that_is_not_utf8(record: Recorder, build: Build, tmp_path: Path) -> None:
    odd = os.fsencode(tmp_path) + b"/" + ODD_NAME
    Path(os.fsdecode(odd)).mkdir()
    row = leaf(record([build("steps"), "chdir", odd, "stat", "leaf"]))
    assert row["base_bytes"] == odd
    assert row["base"] == f"{tmp_path}/odd \n\\xff"
    assert row["path_bytes"] is None


def test_a_base_longer_than_a_path_may_be(record: Recorder, build: Build, tmp_path: Path) -> None:
    name = "n" * 200
    command = [build("steps"), "chdir", str(tmp_path), "down", "60", name, "stat", "leaf"]
    row = leaf(record(command, "--ring-buffer-size", "32M"))
    remove(tmp_path / name)
    whole = f"{tmp_path}" + f"/{name}" * 60
    assert (row["base"], row["note"]) in [(whole, None), (None, UNRESOLVED_BASE)]


def test_a_name_longer_than_names_may_be_is_not_cut(
    record: Recorder, build: Build, tree: Path
) -> None:
    """Some file systems have them (cgroup2, vfat): with a part of it a base would be another."""
    directory = tree / ("n" * 300)
    directory.mkdir()
    row = leaf(record([build("steps"), "chdir", directory, "stat", "leaf"]))
    assert (row["base"], row["note"]) == (None, UNRESOLVED_BASE)


def test_both_paths_of_a_call_in_a_deep_directory(
    record: Recorder, build: Build, tmp_path: Path
) -> None:
    """Deeper than can be named: both are rows all the same."""
    steps = ["chdir", str(tmp_path), "down", "1500", "d", "rename", "old", "new"]
    recording = record([build("steps"), *steps], "--ring-buffer-size", "64M")
    remove(tmp_path / "d")
    assert (recording.code, recording.lost) == (0, 0), recording.stderr
    assert [
        (row["path"], row["path_role"], row["base"], row["note"])
        for row in recording.where(syscall="renameat2")
    ] == [("old", "old", None, UNRESOLVED_BASE), ("new", "new", None, UNRESOLVED_BASE)]


def test_an_empty_path_has_no_base(record: Recorder, build: Build, tmp_path: Path) -> None:
    recording = record([build("steps"), "at", "9", tmp_path, "empty", "9"])
    row = recording.one(path="", dirfd=9)
    assert (row["base"], row["note"], row["ret"]) == (None, None, 0)


# name: what a shell in a mount namespace of its own does before, with directories in $1, and
# then the steps and the base.
MOUNTS: dict[str, tuple[str, list[str], str | None, str | None]] = {
    "a tmpfs": (
        'mkdir "$1/tmpfs" && mount -t tmpfs none "$1/tmpfs" && mkdir -p "$1/tmpfs/x/y"',
        ["chdir", "{}/tmpfs/x/y", "stat", "leaf"], "{}/tmpfs/x/y", None,
    ),
    "the root of a mount": (
        'mkdir "$1/top" && mount -t tmpfs none "$1/top"',
        ["chdir", "{}/top", "stat", "leaf"], "{}/top", None,
    ),
    "a mount on a mount": (
        'mkdir "$1/twice" && mount -t tmpfs none "$1/twice" && mount -t tmpfs none "$1/twice" && '
        'mkdir "$1/twice/x"',
        ["chdir", "{}/twice/x", "stat", "leaf"], "{}/twice/x", None,
    ),
    "a bind mount of a directory": (
        'mkdir -p "$1/bound" "$1/source/x/y" && mount --bind "$1/source/x" "$1/bound"',
        ["chdir", "{}/bound/y", "stat", "leaf"], "{}/bound/y", None,
    ),
    "a mount in a chroot": (
        'mkdir -p "$1/root/mnt" && mount -t tmpfs none "$1/root/mnt" && mkdir "$1/root/mnt/x"',
        ["chroot", "{}/root", "chdir", "/mnt/x", "stat", "leaf"], "/mnt/x", None,
    ),
    "a chroot into the root of a mount": (
        'mkdir -p "$1/jail" && mount -t tmpfs none "$1/jail" && mkdir "$1/jail/x"',
        ["chroot", "{}/jail", "chdir", "/x", "stat", "leaf"], "/x", None,
    ),
    "overlayfs": (
        'mkdir -p "$1/over" && mount -t tmpfs none "$1/over" && cd "$1/over" && '
        'mkdir -p low/x up work all && cd / && mount -t overlay none "$1/over/all" '
        '-o "lowerdir=$1/over/low,upperdir=$1/over/up,workdir=$1/over/work"',
        ["chdir", "{}/over/all/x", "stat", "leaf"], "{}/over/all/x", None,
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def mounted_rows(record: Recorder, build: Build, directory: Path) -> dict[str, Row]:
    script = "".join(
        f"{before} || exit 99\n"
        f"{shlex.join([build('steps'), *(step.format(directory) for step in steps)])}\n"
        for before, steps, *_ in MOUNTS.values()
    )
    recording = record(["unshare", "-m", "sh", "-c", script, "sh", directory])
    assert recording.code == 0, recording.stderr
    found = [row for row in recording.rows if (row["path"] or "") == "leaf"]
    return dict(zip(MOUNTS, found, strict=True))


@pytest.mark.parametrize("name", MOUNTS)
def test_the_base_across_mounts(mounted_rows: dict[str, Row], directory: Path, name: str) -> None:
    _, _, base, note = MOUNTS[name]
    row = mounted_rows[name]
    assert (row["base"], row["note"]) == (base and base.format(directory), note)


def test_a_working_directory_whose_mount_is_gone(
    record: Recorder, build: Build, tmp_path: Path
) -> None:
    script = (
        'mount -t tmpfs none "$1" && mkdir "$1/x" && cd "$1/x" && umount -l "$1" && "$0" stat leaf'
    )
    row = leaf(record(["unshare", "-m", "sh", "-c", script, build("steps"), tmp_path]))
    assert (row["base"], row["note"]) == (None, UNRESOLVED_BASE)


def test_a_directory_that_was_renamed(record: Recorder, build: Build, tmp_path: Path) -> None:
    (tmp_path / "before").mkdir()
    script = 'cd "$1/before" && "$0" stat leaf && mv "$1/before" "$1/after" && "$0" stat leaf'
    recording = record(["sh", "-c", script, build("steps"), tmp_path])
    bases = [row["base"] for row in recording.where(path="leaf")]
    assert bases == [f"{tmp_path}/before", f"{tmp_path}/after"]


# Renames the directory that it is in, back and forth, as long as its other process looks up names
# from there and from a descriptor. The names differ in length.
RENAMING = """
import os, sys
os.makedirs("one/sub")
inside = os.open("one/sub", os.O_RDONLY)
os.chdir("one/sub")
if child := os.fork():
    names = ["one", "another-and-longer"]
    while os.waitpid(child, os.WNOHANG) == (0, 0):
        os.rename("../../" + names[0], "../../" + names[1])
        names.reverse()
    sys.exit()
for _ in range(20_000):
    for directory in (None, inside):
        try:
            os.stat("leaf", dir_fd=directory)
        except FileNotFoundError:
            pass
os._exit(0)
"""


def test_a_directory_that_is_just_being_renamed(record: Recorder, tmp_path: Path) -> None:
    ring = ("--ring-buffer-size", "16M")
    rows = record([sys.executable, "-c", RENAMING], *ring, cwd=tmp_path).where(path="leaf")
    bases = {row["base"] for row in rows if row["note"] != UNRESOLVED_BASE}
    assert bases == {f"{tmp_path}/{name}/sub" for name in ("one", "another-and-longer")}
    assert len(rows) == 40_000


def test_the_names_of_a_base_are_of_one_moment(
    record: Recorder, build: Build, tmp_path: Path
) -> None:
    ring = ("--ring-buffer-size", "64M")
    recording = record([build("swapping"), "200000"], *ring, cwd=tmp_path)
    rows = [row for row in recording.rows if str(row["path"]).startswith("probe")]
    assert len(rows) == 200_000
    bases = {row["base"] for row in rows if row["note"] != UNRESOLVED_BASE}
    assert bases == {f"{tmp_path}/b/{'x/' * 60}leaf", f"{tmp_path}/q/leaf"}


def test_each_process_has_its_own_working_directory(record: Recorder, tmp_path: Path) -> None:
    names = [str(number) for number in range(20)]
    for name in names:
        (tmp_path / name).mkdir()
    script = 'for name in "$@"; do (cd $name && cat leaf 2>/dev/null) & done; wait'
    recording = record(["sh", "-c", script, "sh", *names], cwd=tmp_path)
    rows = recording.where(path="leaf", syscall="openat")
    assert sorted(row["base"] for row in rows) == sorted(f"{tmp_path}/{name}" for name in names)
