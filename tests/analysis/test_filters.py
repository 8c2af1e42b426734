# SPDX-License-Identifier: Apache-2.0
"""Which events a replay is about."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from snoop_analysis import Capture
from snoop_analysis.errors import OptionError
from snoop_analysis.summary import missing
from snoop_format.session import open_name, sealed_name

from .conftest import Event, Record, write_session
from .test_capture import write_foreign_open

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


UNDATED = [
    {"path": "/early", "ts": NOON.replace(hour=11)},
    {"path": "/undated", "ts": None},
    {"path": "/undated", "ts": None, "ret": -2},
    {"path": "/late", "ts": NOON.replace(hour=13)},
]


def without_statistics(path: Path) -> None:
    file = path / sealed_name(1)
    pq.write_table(pq.read_table(file), file, write_statistics=False)


def still_open(path: Path) -> None:
    file = path / sealed_name(1)
    write_foreign_open(path / open_name(1), pq.read_table(file))
    file.unlink()


def as_recorded(path: Path) -> None:
    assert (path / sealed_name(1)).exists()


@pytest.mark.parametrize("written", [as_recorded, without_statistics, still_open])
@pytest.mark.parametrize("bound", [0, 2])
@pytest.mark.parametrize(
    ("times", "files", "undated"),
    [
        ({}, ["/early", "/late", "/undated"], 0),
        ({"since": NOON}, ["/late", "/undated"], 2),
        ({"until": NOON}, ["/early", "/undated"], 2),
        ({"since": NOON, "until": NOON}, ["/undated"], 2),
        ({"since": NOON, "found_only": True}, ["/late", "/undated"], 1),
        ({"since": NOON, "syscalls": ["stat"]}, [], 0),
    ],
)
def test_an_event_without_a_time_counts(
    record: Record,
    written: Callable[[Path], None],
    bound: int,
    times: dict[str, Any],
    files: list[str],
    undated: int,
) -> None:
    path = record(UNDATED)
    written(path)
    report = Capture(path).replay(max_unique_files=bound, **times).report()
    assert report.containers[0].files == (files[1:] if bound and len(files) > bound else files)
    assert report.completeness.undated_events == undated
    said = [line for line in missing(report) if "counted without a time" in line]
    assert len(said) == bool(undated)
    assert not (report.completeness.complete and undated)


def test_without_times_every_event_counts(record: Record) -> None:
    path = record([])
    pq.write_table(pa.table({"path": ["/a", "/b"], "cgroup_id": [1, 1]}), path / sealed_name(1))
    report = Capture(path).replay(since=NOON).report()
    assert report.containers[0].files == ["/a", "/b"]
    assert report.completeness.undated_events == 2
    assert Capture(path).replay().report().completeness.complete


@pytest.mark.parametrize(
    ("events", "written", "is_dated"),
    [
        ([], as_recorded, True),
        (EVENTS, as_recorded, True),
        (EVENTS, still_open, True),
        (EVENTS, without_statistics, False),
        (UNDATED, as_recorded, False),
        (UNDATED, still_open, False),
    ],
)
def test_whether_events_have_times_is_read_from_the_footers(
    record: Record, events: list[Event], written: Callable[[Path], None], is_dated: bool
) -> None:
    path = record(events)
    written(path)
    assert Capture(path).is_dated == is_dated


def test_a_recorder_dates_all_events() -> None:
    assert Capture.sample().is_dated


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
