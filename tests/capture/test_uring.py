# SPDX-License-Identifier: Apache-2.0
"""Calls through io_uring, which no system call shows: each is one event, with its result."""

from collections import Counter
from pathlib import Path

import pytest

from snoop_capture.btf import KernelTypes
from snoop_capture.offsets import knows_uring
from snoop_format.schema import CANCELLED, RESTARTED, RESULT_LOST, UNREADABLE
from tests.capture.conftest import Build
from tests.capture.recording import Recorder, Recording

pytestmark = pytest.mark.bpf

ENODATA, ENOENT, EFAULT, EINVAL, ENAMETOOLONG = -61, -2, -14, -22, -36
EINTR, ECANCELED = -4, -125

# Name without "io_uring:", path, role, whether it has a base, result (None: a descriptor).
CALLS = [
    ("openat", "/etc/hostname", None, None, None),
    ("openat", "passwd", None, "/etc", None),
    ("openat", "missing", None, "{}", ENOENT),
    ("openat2", "/etc/group", None, None, None),
    ("statx", "/etc/passwd", None, None, 0),
    ("mkdirat", "made", None, "{}", 0),
    ("renameat2", "made", "old", "{}", 0),
    ("renameat2", "moved", "new", "{}", 0),
    ("symlinkat", "text", "old", None, 0),
    ("symlinkat", "link", "new", "{}", 0),
    ("linkat", "link", "old", "{}", 0),
    ("linkat", "second", "new", "{}", 0),
    ("getxattr", "/etc/passwd", None, None, ENODATA),
    ("unlinkat", "link", None, "{}", 0),
    ("unlinkat", "second", None, "{}", 0),
    ("unlinkat", "moved", None, "{}", 0),
]


@pytest.fixture(scope="module", autouse=True)
def needs_a_kernel_whose_requests_are_known() -> None:
    if not knows_uring(KernelTypes()):
        pytest.skip("requests of io_uring are recorded on Linux 6.0 and newer")


@pytest.fixture(scope="module", params=["plain", "sqpoll"])
def recording(
    request: pytest.FixtureRequest,
    record: Recorder,
    build: Build,
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Recording, Path]:
    directory = tmp_path_factory.mktemp(request.param)
    program = build("requests", "-luring")
    made = record([program, "200", request.param], "--ring-buffer-size", "16M", cwd=directory)
    assert made.code == 0, made.stderr
    return made, directory


def test_every_call_is_one_event_in_order(recording: tuple[Recording, Path]) -> None:
    made, directory = recording
    events = [row for row in made.rows if row["syscall"].startswith("io_uring:")]
    assert len(events) == 200 * len(CALLS)
    for row, (name, path, role, base, ret) in zip(events, CALLS * 200, strict=True):
        assert (row["syscall"], row["path"]) == (f"io_uring:{name}", path)
        assert (row["path_role"], row["note"]) == (role, None)
        assert row["base"] == (base and base.format(directory))
        assert row["ret"] == ret if ret is not None else row["ret"] > 2


def test_results_are_those_the_program_saw(recording: tuple[Recording, Path]) -> None:
    made, _ = recording
    events = [row for row in made.rows if row["syscall"].startswith("io_uring:")]
    results = [row["ret"] for row in events if row["path_role"] != "new"]
    assert results == [int(line) for line in made.stdout.split()]


def test_an_open_says_what_it_led_to(recording: tuple[Recording, Path]) -> None:
    made, _ = recording
    status = Path("/etc/hostname").stat()
    opened = made.where(syscall="io_uring:openat", path="/etc/hostname")
    assert {(row["dev"], row["ino"]) for row in opened} == {(status.st_dev, status.st_ino)}
    assert opened[0]["real_path"] == "/etc/hostname"


def test_the_session_counts_the_rings(recording: tuple[Recording, Path]) -> None:
    made, _ = recording
    assert made.session["io_uring"] == {"recorded": True, "rings": 1}
    assert made.session["losses"] == {}


@pytest.mark.parametrize("mode", ["plain", "sqpoll"])
@pytest.mark.parametrize("ring", ["4K", "64K"])
def test_what_a_small_ring_loses_is_counted_and_nothing_is_mixed(
    record: Recorder, build: Build, tmp_path: Path, ring: str, mode: str
) -> None:
    program = build("requests", "-luring")
    made = record([program, "500", mode], "--ring-buffer-size", ring, cwd=tmp_path)
    # The others are execve, readlink of /proc/self/exe, openat of /etc, newfstatat of the output.
    assert made.table.num_rows + made.lost == 500 * len(CALLS) + 4
    assert made.lost > 0
    results = {(name, path): ret for name, path, _, _, ret in CALLS}
    unknown = 0
    for row in made.rows:
        name = row["syscall"].removeprefix("io_uring:")
        if name == row["syscall"]:
            continue
        unknown += row["ret"] is None
        assert row["note"] == (RESULT_LOST if row["ret"] is None else None)
        assert row["ret"] in (None, results[name, row["path"]]) or row["ret"] > 2
    assert made.session["defects"]["result_lost"] == unknown
    assert unknown > 0 or ring != "4K"


End = tuple[str, str | None, int | None, str | None]

# tests/programs/refused.c: name without "io_uring:", path, result, note; and what the program saw.
REFUSED: list[End] = [
    ("openat", None, EFAULT, UNREADABLE),
    ("openat", None, EFAULT, UNREADABLE),
    ("statx", None, ENAMETOOLONG, UNREADABLE),
    ("unlinkat", "field", EINVAL, None),
    ("openat", "flag", EINVAL, None),
    ("openat2", "how", EFAULT, None),
    ("linkat", "old", EFAULT, None),
    ("linkat", None, EFAULT, UNREADABLE),
    ("symlinkat", None, EFAULT, UNREADABLE),
    ("symlinkat", "new", EFAULT, None),
    ("getxattr", None, EFAULT, UNREADABLE),
]
CHAINS: list[End] = [
    ("openat", "head", ENOENT, None),
    ("mkdirat", "second", None, CANCELLED),
    ("renameat2", "third", None, CANCELLED),
    ("renameat2", "fourth", None, CANCELLED),
    ("mkdirat", "before", None, CANCELLED),
    ("openat", None, EFAULT, UNREADABLE),
    ("unlinkat", "after", None, CANCELLED),
    ("mkdirat", "made", 0, None),
    ("renameat2", "made", 0, None),
    ("renameat2", "moved", 0, None),
    ("unlinkat", "moved", 0, None),
]
ROUNDS, SMALL, MANY = 50, 4, 12


@pytest.fixture(scope="module")
def refused(
    record: Recorder, build: Build, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Recording, Path]:
    directory = tmp_path_factory.mktemp("refused")
    made = record([build("refused", "-luring")], cwd=directory)
    assert made.code == 0, made.stderr
    assert made.lost == 0
    return made, directory


def ends(made: Recording, *paths: str | None) -> list[End]:
    return [
        (row["syscall"].removeprefix("io_uring:"), row["path"], row["ret"], row["note"])
        for row in made.rows
        if row["syscall"].startswith("io_uring:") and row["path"] in paths
    ]


def test_what_is_refused_or_cancelled_is_an_event(refused: tuple[Recording, Path]) -> None:
    made, directory = refused
    expected = REFUSED + CHAINS
    assert ends(made, *{path for _, path, _, _ in expected}) == expected
    results = [int(line) for line in made.stdout.split()][: len(expected)]
    assert results[:9] == [EFAULT, EFAULT, ENAMETOOLONG, *[EINVAL] * 2, *[EFAULT] * 4]
    assert results[9:18] == [ENOENT, *[ECANCELED] * 3, EFAULT, ECANCELED, 0, 0, 0]
    assert {row["base"] for row in made.rows if row["path"] in ("field", "flag", "new")} == {
        str(directory)
    }


def test_an_unknown_result_is_not_that_of_another_request(refused: tuple[Recording, Path]) -> None:
    """A request that succeeded says nothing, and the next one takes its place in memory."""
    made, _ = refused
    events = ends(made, "/", "missing")  # those without a result come when they are given up
    assert events.count(("statx", "/", None, None)) == ROUNDS
    assert events.count(("statx", "missing", ENOENT, None)) == ROUNDS
    assert len(events) == 2 * ROUNDS


def test_a_result_that_found_no_room_is_unknown(refused: tuple[Recording, Path]) -> None:
    made, _ = refused
    crowded = [ret for _, _, ret, _ in ends(made, "crowded")]
    assert Counter(crowded) == {ENOENT: SMALL, None: MANY - SMALL}


def test_what_still_waits_when_its_process_ends(refused: tuple[Recording, Path]) -> None:
    """It is called off or interrupted: for that 6.12 gives EINTR, others ERESTARTSYS."""
    made, _ = refused
    ((_, _, ret, note),) = ends(made, "fifo")
    assert (ret, note) in [(None, RESTARTED), (None, CANCELLED), (None, None), (EINTR, None)]
