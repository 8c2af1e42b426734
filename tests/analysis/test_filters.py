# SPDX-License-Identifier: Apache-2.0
"""Which events a replay is about."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from snoop_analysis import Capture
from snoop_analysis.errors import OptionError

from .conftest import Record, write_session

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
CONTAINERS = [
    {"cgroup_id": 1, "name": "web", "cgroup_path": "/1"},
    {"cgroup_id": 2, "name": "db'; --", "cgroup_path": "/2"},
]
EVENTS = [
    {"path": "/early", "ts": NOON.replace(hour=11)},
    {"path": "/noon", "ts": NOON, "ret": -2},
    {"path": "/late", "ts": NOON.replace(hour=13), "syscall": "stat"},
    {"path": "/db", "ts": NOON, "cgroup_id": 2},
    {"path": "/unknown", "ts": NOON, "cgroup_id": 3},
]


@pytest.mark.parametrize(
    ("filters", "files"),
    [
        ({}, [["/early", "/late", "/noon"], ["/db"]]),
        ({"syscalls": ["stat"]}, [["/late"], []]),
        ({"syscalls": []}, [[], []]),
        ({"containers": ["web"]}, [["/early", "/late", "/noon"]]),
        ({"containers": [2]}, [["/db"]]),
        ({"containers": ["db'; --", 1]}, [["/early", "/late", "/noon"], ["/db"]]),
        ({"since": NOON}, [["/late", "/noon"], ["/db"]]),
        ({"since": "2026-01-01T12:00:00Z", "until": "2026-01-01T13:00"}, [["/noon"], ["/db"]]),
        ({"until": "2026-01-01T14:00:00+02:00"}, [["/early"], []]),
        ({"found_only": True}, [["/early", "/late"], ["/db"]]),
    ],
)
def test_filters(record: Record, filters: dict[str, Any], files: list[list[str]]) -> None:
    report = Capture(record(EVENTS, containers=CONTAINERS)).replay(**filters).report()
    assert [one.files for one in report.containers] == files


@pytest.mark.parametrize(
    ("asked", "files"),
    [
        (["web-1"], [["/a", "/b"]]),
        (["web-2"], [["/a", "/b"]]),
        ([7], [["/a", "/b"]]),
        ([8], [["/a", "/b"]]),
        (["8"], [["/a", "/b"]]),
        (["7"], [["/named 7"]]),
    ],
)
def test_a_container_by_any_name_it_had(
    tmp_path: Path, asked: list[str | int], files: list[list[str]]
) -> None:
    image = {"cgroup_path": "/", "image_digest": "sha256:x"}
    other = {"cgroup_id": 9, "name": "7", "cgroup_path": "/9"}
    for name, cgroup_id, file in (("web-1", 7, "/a"), ("web-2", 8, "/b")):
        write_session(
            tmp_path / name,
            [{"path": file, "cgroup_id": cgroup_id}, {"path": "/named 7", "cgroup_id": 9}],
            containers=[{"name": name, "cgroup_id": cgroup_id, **image}, other],
            boot_id="boot",
        )
    report = Capture(tmp_path, by_image=True).replay(containers=asked).report()
    assert [one.files for one in report.containers] == files


def test_the_name_of_a_call_is_text(record: Record) -> None:
    odd = "x' OR 'a'='a"
    path = record([{"path": "/a", "syscall": odd}, {"path": "/b"}])
    (container,) = Capture(path).replay(syscalls=[odd]).report().containers
    assert container.files == ["/a"]


@pytest.mark.parametrize(
    ("filters", "sentence"),
    [
        ({"containers": ["wbe"]}, "there is no container 'wbe'; there are db'; --, web"),
        ({"since": "yesterday"}, "since is 'yesterday', which is no time"),
    ],
)
def test_mistakes(record: Record, filters: dict[str, Any], sentence: str) -> None:
    with pytest.raises(OptionError, match=sentence):
        Capture(record(EVENTS, containers=CONTAINERS)).replay(**filters)


def test_files(record: Record) -> None:
    events = [
        {"path": "/a", "syscall": "stat", "ret": -2, "ts": NOON},
        {"path": "a", "syscall": "openat", "ts": NOON.replace(hour=13)},
        {"path": "/a/../a", "syscall": "stat", "ret": None, "ts": NOON.replace(hour=11)},
    ]
    (row,) = Capture(record(events)).replay().files.fetchall()
    assert row == (
        "app", 1, "/a", NOON.replace(hour=11), NOON.replace(hour=13), 3, 1, 1, ["openat", "stat"],
    )  # fmt: skip
