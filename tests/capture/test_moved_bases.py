# SPDX-License-Identifier: Apache-2.0
"""A call that moves the directory which its own path starts from has no base: it is named late."""

import os
import shlex
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from snoop_capture.layout import KIND_ROLE, MARK_BASE_UNRESOLVED, MARK_UNREADABLE, TASK
from snoop_capture.moved_bases import CALLS, forget
from snoop_capture.rows import Rows
from snoop_format.schema import BLOCKED, DELETED, UNRESOLVED_BASE
from tests.capture.conftest import Build
from tests.capture.recording import Recorder, Row

pytestmark = pytest.mark.bpf

CWD = "-100"
EXCHANGE = "2"
MS_BIND, MS_MOVE = "0x1000", "0x2000"
MS_BIND_AND_MOVE, MS_MOVE_WITH_MAGIC = "0x3000", "0xc0ed2000"
EMPTY_PATH = "4"
UP = "../" * 20  # to the root
GONE = (None, UNRESOLVED_BASE)
NONE = (None, None)  # an absolute path, an empty one, and what mount(2) gets

# name: steps of tests/programs/steps.c, the last of which is the call ({} is a directory), then
# base and note of its two rows. In {} there are the directories a/x/in, a/w and b/c; for calls that
# move mounts, a/x is one.
Case = tuple[list[str], tuple[str | None, str | None], tuple[str | None, str | None]]
RENAMES: dict[str, Case] = {
    "itself": (["chdir", "{}/a/x", "renameat", CWD, "../x", CWD, "../../b/y", "0"], GONE, GONE),
    "absolute old path": (
        ["chdir", "{}/a/x", "renameat", CWD, "{}/a/x", CWD, "../../b/c/y", "0"], NONE, GONE,
    ),
    "absolute old path, above": (
        ["chdir", "{}/a/x/in", "renameat", CWD, "{}/a/x", CWD, "../../../b/y", "0"], NONE, GONE,
    ),
    "absolute new path": (
        ["chdir", "{}/a/x/in", "renameat", CWD, "../../x", CWD, "{}/b/y", "0"], GONE, NONE,
    ),
    "old path by way of the root": (
        ["chdir", "{}/a/x/in", "renameat", CWD, UP + "{}/a/x", CWD, "{}/b/y", "0"], GONE, NONE,
    ),
    "old path from elsewhere": (
        ["at", "9", "{}/a", "chdir", "{}/a/x", "renameat", "9", "x", CWD, "../../b/c/y", "0"],
        ("{}/a", None), GONE,
    ),
    "new path from elsewhere": (
        ["at", "9", "{}/b", "chdir", "{}/a/x", "renameat", CWD, "../x", "9", "c/y", "0"],
        GONE, ("{}/b", None),
    ),
    "two directories in it": (
        [
            "at", "9", "{}/a/x", "at", "8", "{}/a/x/in",
            "renameat", "9", "../x", "8", "../../../b/y", "0",
        ],
        GONE, GONE,
    ),
    "exchange with what is old": (
        ["chdir", "{}/a/x/in", "renameat", CWD, "../../x", CWD, "../../../b/c", EXCHANGE],
        GONE, GONE,
    ),
    "exchange with what is new": (
        ["chdir", "{}/a/x/in", "renameat", CWD, "../../../b/c", CWD, "../../x", EXCHANGE],
        GONE, GONE,
    ),
    "exchange with an absolute old path": (
        ["chdir", "{}/b/c", "renameat", CWD, "{}/a/x", CWD, "../c", EXCHANGE], NONE, GONE,
    ),
    "exchange with an absolute new path": (
        ["chdir", "{}/b/c", "renameat", CWD, "../../a/x", CWD, "{}/b/c", EXCHANGE], GONE, NONE,
    ),
    "exchange of two descriptors": (
        [
            "at", "9", "{}/a/x", "at", "8", "{}/b/c",
            "renameat", "9", "../x", "8", "../c", EXCHANGE,
        ],
        GONE, GONE,
    ),
    "exchange of two descriptors, each named from the other": (
        [
            "at", "9", "{}/a/x/in", "at", "8", "{}/b/c",
            "renameat", "8", "../../a/x", "9", "../../../b/c", EXCHANGE,
        ],
        GONE, GONE,
    ),
    "exchange of others": (
        ["chdir", "{}/a/x/in", "renameat", CWD, "../../w", CWD, "../../../b/c", EXCHANGE],
        ("{}/a/x/in", None), ("{}/a/x/in", None),
    ),
    "another, of the same name then": (
        [
            "mkdir", "{}/b/x", "chdir", "{}/b/x",
            "renameat", CWD, "../c", CWD, "../../a/w/x", "0",
        ],
        ("{}/b/x", None), ("{}/b/x", None),
    ),
    "another, to an absolute path": (
        ["mkdir", "{}/b/x", "chdir", "{}/b/x", "renameat", CWD, "../c", CWD, "{}/a/w/x", "0"],
        ("{}/b/x", None), NONE,
    ),
    "what is in it": (
        ["chdir", "{}/a/x", "renameat", CWD, "{}/a/x/in", CWD, "../in", "0"],
        NONE, ("{}/a/x", None),
    ),
    "to where it is": (
        ["chdir", "{}/a/x", "renameat", CWD, "../x", CWD, "../x", "0"],
        ("{}/a/x", None), ("{}/a/x", None),
    ),
    "in its place": (
        ["chdir", "{}/b/c", "renameat", CWD, "../../a/x", CWD, "../c", "0"],
        ("{}/b/c", DELETED), ("{}/b/c", DELETED),
    ),
    "not at all": (
        ["chdir", "{}/a/x", "renameat", CWD, "../w", CWD, "../x", "0"],
        ("{}/a/x", None), ("{}/a/x", None),
    ),
}  # fmt: skip
MOUNTS: dict[str, Case] = {
    "mount": (["chdir", "{}/a/x", "mount", "{}/a/x", "../../b/c", MS_MOVE], NONE, GONE),
    "mount, below": (
        ["chdir", "{}/a/x/in", "mount", "{}/a/x", "../../../b/c", MS_MOVE_WITH_MAGIC], NONE, GONE,
    ),
    "mount, relative": (["chdir", "{}/a/x", "mount", ".", "../../b/c", MS_MOVE], NONE, GONE),
    "mount, of another": (
        ["chdir", "{}/a/w", "mount", "../x", "../../b/c", MS_MOVE], NONE, ("{}/a/w", None),
    ),
    "mount, of none": (
        ["chdir", "{}/a/w", "mount", "{}/a/x", "../w", MS_BIND], NONE, ("{}/a/w", None),
    ),
    "mount, of none, although it is asked for": (
        ["chdir", "{}/a/w", "mount", "{}/a/x", "../w", MS_BIND_AND_MOVE],
        NONE, ("{}/a/w", None),
    ),
    "move_mount": (
        ["chdir", "{}/a/x", "movemount", CWD, "../x", CWD, "../../b/c", "0"], GONE, GONE,
    ),
    "move_mount, absolute old path": (
        ["chdir", "{}/a/x/in", "movemount", CWD, "{}/a/x", CWD, "../../../b/c", "0"], NONE, GONE,
    ),
    "move_mount of a descriptor": (
        [
            "at", "9", "{}/a/x", "chdir", "{}/a/x/in",
            "movemount", "9", "", CWD, "../../../b/c", EMPTY_PATH,
        ],
        NONE, GONE,
    ),
    "move_mount of a descriptor, from there": (
        ["at", "9", "{}/a/x", "movemount", "9", "", "9", "../../b/c", EMPTY_PATH], NONE, GONE,
    ),
    "move_mount of a descriptor, from elsewhere": (
        [
            "at", "9", "{}/a/x", "chdir", "{}/a/w",
            "movemount", "9", "", CWD, "../../b/c", EMPTY_PATH,
        ],
        NONE, ("{}/a/w", None),
    ),
}  # fmt: skip
CASES = RENAMES | MOUNTS
ENOTEMPTY = "-39"


@pytest.fixture(scope="module")
def directories(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One for each case."""
    root = tmp_path_factory.mktemp("moved")
    return {name: root / f"case{number}" for number, name in enumerate(CASES)}


@pytest.fixture(scope="module")
def rows(record: Recorder, build: Build, directories: dict[str, Path]) -> dict[str, list[Row]]:
    """All cases in one recording, one process each; the two rows of every case's call."""
    script = "mount --make-rprivate / || exit\n"
    for name, (steps, *_) in CASES.items():
        case = directories[name]
        mounting = "mount -t tmpfs none a/x && " if name in MOUNTS else ""
        script += f"mkdir -p {case}/a/x {case}/a/w {case}/b/c && cd {case} && {mounting}"
        script += "mkdir a/x/in || exit\n"
        script += shlex.join([build("steps"), *(step.format(case) for step in steps)])
        script += " || exit\n"
    recording = record(["unshare", "-m", "sh", "-c", script])
    assert (recording.code, recording.lost) == (0, 0), recording.stderr
    failed = [line for line in recording.stdout.decode().split() if line.startswith("-")]
    assert failed == [ENOTEMPTY]
    found = [row for row in recording.rows if row["comm"] == "steps" and row["path_role"]]
    return {name: found[2 * i : 2 * i + 2] for i, name in enumerate(CASES)}


@pytest.mark.parametrize("name", CASES)
def test_the_bases_of_a_move(
    rows: dict[str, list[Row]], directories: dict[str, Path], name: str
) -> None:
    steps, *expected = CASES[name]
    case = directories[name]
    old, new = rows[name]
    paths = (steps[-3] if steps[-4] == "mount" else steps[-4], steps[-2])
    assert [row["path"] for row in (old, new)] == [path.format(case) for path in paths]
    assert [(row["base"], row["note"]) for row in (old, new)] == [
        (base and base.format(case), note) for base, note in expected
    ]


def test_a_rename_of_the_directory_that_it_starts_from(record: Recorder, tmp_path: Path) -> None:
    """What that was called is not known any more: no other name is given instead."""
    for name in ("x/build/in", "y", "x/other"):
        (tmp_path / name).mkdir(parents=True)
    recording = record(["mv", "-T", "../build", "../../y/b"], cwd=tmp_path / "x/build")
    moved = [row for row in recording.rows if row["path_role"]]
    assert [(row["path"], row["base"], row["note"]) for row in moved if row["ret"] == 0] == [
        ("../build", None, UNRESOLVED_BASE),
        ("../../y/b", None, UNRESOLVED_BASE),
    ]
    assert recording.session["defects"][UNRESOLVED_BASE] == 2
    recording = record(["mv", "-T", "../../x/other", "../third"], cwd=tmp_path / "y/b")
    aside = [row for row in recording.rows if row["path_role"]]
    assert {row["base"] for row in aside if row["ret"] == 0} == {f"{tmp_path}/y/b"}


# A filter answers renames with success; from the first one on entries are watched.
ANSWERED = """
import os, time
import seccomp
calls = seccomp.SyscallFilter(seccomp.ALLOW)
for name in ("rename", "renameat", "renameat2"):
    calls.add_rule(seccomp.ERRNO(0), name)
calls.load()
os.rename("first", "second")
time.sleep(1)
os.rename("../w", "../x")
"""


def test_a_rename_that_a_filter_answers_moves_nothing(record: Recorder, tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    recording = record([sys.executable, "-c", ANSWERED], cwd=tmp_path / "x")
    assert recording.code == 0, recording.stderr
    row = recording.one(path="../w")
    assert (row["note"], row["base"]) == (BLOCKED, f"{tmp_path}/x")


LOST = None
UNREADABLE = ""


def rename(old: str | None, new: str | None, base: str) -> Rows:
    """The rows of a rename whose paths, where they are relative, start from a directory."""
    ends = [(path, kind) for path, kind in ((old, 0), (new, KIND_ROLE)) if path is not LOST]
    paths = [os.fsencode(path) for path, _ in ends]
    relative = [path[:1] not in (b"", b"/") for path in paths]
    count = len(ends)
    zeros = np.zeros(count, np.int64)
    return Rows(
        ts=zeros,
        flags=zeros.astype(np.uint64),
        kind=np.array([kind for _, kind in ends], np.uint32),
        mark=np.array([0 if path else MARK_UNREADABLE for path in paths], np.uint32),
        ret=zeros,
        dirfd=zeros,
        path_ends=np.cumsum([len(path) for path in paths]),
        path_data=np.frombuffer(b"".join(paths), np.uint8),
        task=zeros,
        tasks=np.zeros(1, TASK),
        exes=[b""],
        base=np.where(relative, 0, -1),
        bases=[b"".join(os.fsencode(name) + b"\0" for name in base.split("/")[:0:-1])],
        real_from=zeros,
        real_to=zeros,
        real_data=np.zeros(1, np.uint8),
        order=None,
    )


@pytest.mark.parametrize(
    ("old", "new", "base", "moved"),
    [
        ("../a", "../b", "/x/b", True),
        ("../../x", "/z", "/z/a", True),
        (".././a/", "../../y/b/", "/x/y/b", True),
        ("../a/../a", "../c/../b", "/x/b", True),
        (".", "/m", "/m", True),
        ("..", "/m", "/m/a", True),
        ("../../../a", "/b", "/b", True),  # past the root
        ("/x/a", "../../../y", "/y/c", True),
        ("../a", "../c", "/x/b", False),  # beside it
        ("../a", "/x/c", "/x/b", False),
        ("../x/snoop", "../bin/snoop", "/src/snoop", False),
        ("/x/a", "../b", "/x/c", False),
        ("a", "b", "/x/b", False),  # below it
        ("../a", LOST, "/x/b", True),
        ("../a", UNREADABLE, "/x/b", True),
        ("a", LOST, "/x/b", False),
        (LOST, "../../y/b", "/x/y/b/c", True),
        (UNREADABLE, "../../y/b", "/x/y/b/c", True),
        (LOST, "../../y/b", "/x/b", False),
        (LOST, "../b/c", "/x/b", False),
        (LOST, "b", "/x/b", False),
    ],
)
def test_what_a_rename_says_of_where_it_starts(
    old: str | None, new: str | None, base: str, moved: bool
) -> None:
    """As far as one row says it where the other was lost, or has no path."""
    rows = rename(old, new, base)
    relative = rows.base == 0
    forget(rows, np.full(len(rows), CALLS["rename"]))
    assert (rows.base[relative] == -1).tolist() == [moved] * relative.sum()
    assert ((rows.mark[relative] & MARK_BASE_UNRESOLVED) != 0).tolist() == [moved] * relative.sum()


def test_rows_of_two_calls_are_not_taken_for_one() -> None:
    """As the second row of the one was lost, and the first of the other."""
    rows = replace(rename("../a", "../c", "/x/b"), ts=np.array([1, 2]))
    forget(rows, np.full(2, CALLS["rename"]))
    assert rows.base.tolist() == [-1, 0]
