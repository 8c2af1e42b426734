# SPDX-License-Identifier: Apache-2.0
"""Calls that change where relative paths start, or the root, say where they went."""

import os
from pathlib import Path

import pytest

from snoop_format.schema import UNRESOLVED_BASE
from tests.capture.conftest import Build
from tests.capture.recording import Argument, Recorder

pytestmark = pytest.mark.bpf

ENOENT = -2


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("moves")
    (root / "a/b").mkdir(parents=True)
    return root


def test_a_relative_chdir_is_never_doubled(record: Recorder, build: Build, directory: Path) -> None:
    recording = record([build("steps"), "chdir", directory, "chdir", "a", "chdir", "none"])
    first, second, third = recording.where(syscall="chdir")
    assert (first["base"], first["real_path"]) == (None, str(directory))
    assert (second["path"], second["base"], second["real_path"]) == ("a", None, f"{directory}/a")
    assert (third["ret"], third["base"], third["real_path"]) == (ENOENT, f"{directory}/a", None)


def test_where_a_chdir_led_in_bytes(record: Recorder, build: Build, directory: Path) -> None:
    odd = os.fsencode(directory) + b"/\xff\xc3"
    Path(os.fsdecode(odd)).mkdir()
    recording = record([build("steps"), "chdir", odd])
    row = recording.one(syscall="chdir")
    assert row["real_path_bytes"] == odd
    assert row["real_path"] == f"{directory}/\\xff\\xc3"


def test_a_relative_chroot_says_where_the_root_went(
    record: Recorder, build: Build, directory: Path
) -> None:
    steps: list[Argument] = ["chdir", directory, "chroot", "a", "chdir", "/b", "stat", "leaf"]
    recording = record([build("steps"), *steps])
    row = recording.one(syscall="chroot")
    assert (row["path"], row["base"], row["real_path"]) == ("a", None, f"{directory}/a")
    assert recording.one(path="/b")["real_path"] == "/b"
    assert recording.one(path="leaf")["base"] == "/b"


def test_outside_of_the_root_there_is_no_name(
    record: Recorder, build: Build, directory: Path
) -> None:
    recording = record([build("steps"), "chdir", directory, "chroot", "a", "chdir", "b"])
    row = recording.where(syscall="chdir")[1]
    assert (row["base"], row["note"]) == (None, UNRESOLVED_BASE)


def test_a_move_to_where_there_is_no_name(record: Recorder, build: Build, directory: Path) -> None:
    recording = record([build("steps"), "chdir", directory, "chroot", "a/b", "chdir", "a"])
    row = recording.one(syscall="chdir", path="a")
    assert (row["ret"], row["base"], row["real_path"], row["note"]) == (
        0, None, None, UNRESOLVED_BASE,
    )  # fmt: skip


def test_a_root_on_a_mount_that_was_taken_away(
    record: Recorder, build: Build, directory: Path
) -> None:
    """From the root of such a mount there is no way on, as from the root of the namespace."""
    (directory / "mount").mkdir()
    script = (
        'mount -t tmpfs none "$1" && mkdir -p "$1/x/y" && cd "$1/x" && umount -l "$1" && '
        '"$0" chroot y chdir / stat leaf'
    )
    command = ["sh", "-c", script, build("steps"), str(directory / "mount")]
    recording = record(["unshare", "-m", *command])
    assert recording.stdout.split() == [b"0", b"0", b"-2"]
    row = recording.one(syscall="chroot")
    assert (row["path"], row["real_path"], row["note"]) == ("y", None, UNRESOLVED_BASE)
    assert recording.one(path="leaf")["base"] == "/"


def test_a_pivoted_root(record: Recorder, directory: Path) -> None:
    script = f"""
        mount --make-rprivate / && mount -t tmpfs none '{directory}/a' || exit
        cd '{directory}/a' && mkdir old && pivot_root . old && cd / && ls none
    """
    recording = record(["unshare", "-m", "sh", "-c", script])
    new, old = recording.where(syscall="pivot_root")
    assert (new["path"], new["path_role"], new["ret"], new["base"]) == (".", "new", 0, None)
    assert (old["path"], old["path_role"], old["real_path"]) == ("old", "old", None)
    assert (old["base"], old["note"]) == (None, UNRESOLVED_BASE)
    assert new["real_path"] == "/"


def test_a_symbolic_links_text_has_no_base(record: Recorder, directory: Path) -> None:
    recording = record(["ln", "-s", "some/text", "link"], cwd=directory)
    text, link = (row for row in recording.rows if row["syscall"].startswith("symlink"))
    assert (text["path"], text["path_role"], text["base"], text["note"]) == (
        "some/text", "old", None, None,
    )  # fmt: skip
    assert (link["path"], link["path_role"], link["base"]) == ("link", "new", str(directory))


# Mounts a directory in one place after the other: each mount comes to the memory of the last one.
REMOUNTED = """
cd "$1" && mkdir data && touch data/file
for n in 1 2 3 4 5 6 7 8; do
    mkdir "at$n" && mount --bind data "at$n" && "$0" open "$1/at$n/file" && umount "at$n"
done
"""


def test_a_file_is_named_through_each_mount(record: Recorder, build: Build, tmp_path: Path) -> None:
    recording = record(["unshare", "-m", "sh", "-c", REMOUNTED, build("steps"), tmp_path])
    assert recording.code == 0, recording.stderr
    names = [str(tmp_path / f"at{n}" / "file") for n in range(1, 9)]
    rows = [row for row in recording.rows if row["path"] in names]
    assert [row["real_path"] for row in rows] == names
