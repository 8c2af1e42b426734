# SPDX-License-Identifier: Apache-2.0
"""What a replay makes of events."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from snoop_analysis import Capture
from snoop_analysis import replay as replay_module
from snoop_analysis.errors import OptionError
from snoop_analysis.report import ContainerReport
from snoop_analysis.sqltext import statement
from snoop_format.session import sealed_name

from . import oracle
from .conftest import Event, Record, in_order, write_session

CONTAINERS = [{"cgroup_id": n, "name": f"c{n}", "cgroup_path": f"/c{n}"} for n in (1, 2)]
PARTS = st.sampled_from([b"", b".", b"..", b"a", b"b", b"\xff", b"\xfe", b"proc", "é".encode()])
PATHS = st.builds(
    lambda root, parts: root + b"/".join(parts),
    st.sampled_from([b"", b"/"]),
    st.lists(PARTS, max_size=4),
)
EVENTS = st.lists(st.tuples(st.sampled_from([1, 2, 3]), PATHS), min_size=1, max_size=60)


def as_event(cgroup_id: int, path: bytes) -> Event:
    try:
        return {"cgroup_id": cgroup_id, "path": path.decode()}
    except UnicodeDecodeError:  # shown as a writer may show it: not told apart
        return {"cgroup_id": cgroup_id, "path": "?", "path_bytes": path}


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    EVENTS,
    st.integers(0, 5),
    st.lists(st.sampled_from(["/proc/", "/a", "/"]), max_size=2),
    st.integers(1, 4),
    st.sampled_from([1, 20, 1 << 22]),
)
def test_equals_the_oracle(
    record: Record,
    events: list[tuple[int, bytes]],
    bound: int,
    exclude: list[str],
    segments: int,
    part: int,
) -> None:
    path = record([as_event(*event) for event in events], segments, containers=CONTAINERS)
    with in_parts(part):
        replay = Capture(path).replay(exclude=exclude, max_unique_files=bound)
        replay.results_view()
    prefixes = [prefix.encode() for prefix in exclude]
    results, containers = oracle.replay(events, [1, 2], prefixes, bound)

    assert in_order(replay.results, "result") == results
    for one in replay.report().containers:
        wanted = containers[one.cgroup_id]
        assert one.files == sorted(file.decode(errors="backslashreplace") for file in wanted.files)
        assert (one.new, one.duplicate, one.excluded, one.empty, one.evicted) == (
            wanted.new,
            wanted.duplicate,
            wanted.excluded,
            wanted.empty,
            wanted.evicted,
        )


def only(record: Record, *events: Event, **settings: Any) -> ContainerReport:
    (container,) = Capture(record(events)).replay(**settings).report().containers
    return container


@pytest.mark.parametrize(
    ("event", "file"),
    [
        ({"path": "x", "base": "/app"}, "/app/x"),
        ({"path": "x", "base": "/app", "real_path": "/else/x"}, "/app/x"),
        ({"path": "d", "real_path": "/srv/d"}, "/srv/d"),  # chdir: no base, its target
        ({"path": "d", "real_path": "?", "real_path_bytes": b"/\xff/d"}, "/\\xff/d"),
        ({"path": "d", "real_path_bytes": b"/\xff/d"}, "/\\xff/d"),
        ({"path": "/d", "real_path": "/srv/d"}, "/d"),  # absolute: lexical, links not followed
        ({"path": "x"}, "/x"),
        ({"path": "../x", "base": ""}, "/x"),
        ({"path": "x", "base": "?", "base_bytes": b"/\xff/y"}, "/\\xff/y/x"),
        ({"path": "?", "path_bytes": b"\xff/../\xc3\xa9", "base": "/"}, "/é"),
        ({"path": "?", "path_bytes": "/é".encode()}, "/é"),
        ({"path": None, "path_bytes": b"/x"}, "/x"),
        ({"path": None, "path_bytes": b"d", "real_path": "/srv/d"}, "/srv/d"),
        ({"path": None, "path_bytes": b"\xff", "base": "/srv"}, "/srv/\\xff"),
        ({"path": "/'; DROP TABLE files; --"}, "/'; DROP TABLE files; --"),
        ({"path": '/a\nb\x1b[31m"q" $(x) {y} %s ?'}, '/a\nb\x1b[31m"q" $(x) {y} %s ?'),
        ({"path": "/" + "a/" * 2047}, "/" + "/".join("a" * 2047)),
        ({"path": "/日本/./naïve"}, "/日本/naïve"),
    ],
)
def test_name_of_a_file(record: Record, event: Event, file: str) -> None:
    assert only(record, event).files == [file]


@pytest.mark.parametrize(
    ("event", "file", "unresolved"),
    [
        ({"path": "x", "real_path": ""}, "/x", 1),
        ({"path": "x", "real_path": "", "real_path_bytes": b""}, "/x", 1),
        ({"path": "x", "base": "", "real_path": "/srv/x"}, "/srv/x", 0),
        ({"path": "x", "base": "", "base_bytes": b"", "real_path": "/srv/x"}, "/srv/x", 0),
    ],
)
def test_an_empty_base_or_real_path_is_none(
    record: Record, event: Event, file: str, unresolved: int
) -> None:
    capture = Capture(record([event]))
    replay = capture.replay()
    assert in_order(capture.events, "file") == in_order(replay.results, "file") == [file]
    assert replay.report().defects["unresolved_base"] == unresolved


@pytest.mark.parametrize(
    ("event", "defects"),
    [
        ({"path": None, "note": "unreadable"}, {"unreadable": 1, "unresolved_base": 0}),
        ({"path": None, "syscall": "utimensat", "ret": 0}, {"unreadable": 0, "unresolved_base": 0}),
        ({"path": None, "syscall": "openat", "ret": 3}, {"unreadable": 1, "unresolved_base": 0}),
        ({"path": None, "syscall": "statx", "ret": -14}, {"unreadable": 0, "unresolved_base": 0}),
        ({"path": None, "syscall": "mount", "ret": None}, {"unreadable": 0, "unresolved_base": 0}),
        (
            {"path": None, "syscall": "statx", "ret": -14, "note": "unreadable"},
            {"unreadable": 1, "unresolved_base": 0},
        ),
        ({"path": None, "syscall": "openat", "ret": -14}, {"unreadable": 1, "unresolved_base": 0}),
        ({"path": "x"}, {"unreadable": 0, "unresolved_base": 1}),
        ({"path": ""}, {"unreadable": 0, "unresolved_base": 0}),
        ({"path": "d", "real_path": "/srv/d"}, {"unreadable": 0, "unresolved_base": 0}),
        ({"path": "x", "base_bytes": b"/\xff"}, {"unreadable": 0, "unresolved_base": 0}),
        ({"path": None, "path_bytes": b"x"}, {"unreadable": 0, "unresolved_base": 1}),
        (
            {"path": "x", "path_role": "old", "syscall": "symlink"},
            {"unreadable": 0, "unresolved_base": 0},
        ),
        (
            {"path": "x", "path_role": "old", "syscall": "rename"},
            {"unreadable": 0, "unresolved_base": 1},
        ),
        (
            {"path": None, "path_role": "old", "syscall": "symlink"},
            {"unreadable": 1, "unresolved_base": 0},
        ),
    ],
)
def test_defects(record: Record, event: Event, defects: dict[str, int]) -> None:
    container = only(record, event)
    assert container.defects == defects
    assert container.total_events == 1


def test_an_unread_path_is_no_file_and_not_empty(record: Record) -> None:
    container = only(record, {"path": None}, {"path": ""})
    assert (container.files, container.empty, container.defects["unreadable"]) == ([], 1, 1)


def test_a_call_that_took_no_path_is_empty(record: Record) -> None:
    """futimens(3) passes NULL, and the descriptor; nothing is missing."""
    none = {"path": None, "syscall": "utimensat", "ret": 0}
    container = only(record, none, none | {"ret": None, "note": "unreadable"}, {"path": ""})
    assert (container.files, container.empty, container.defects["unreadable"]) == ([], 2, 1)
    assert container.total_events == 3


@pytest.mark.parametrize(
    ("event", "file"),
    [
        ({"syscall": "symlink", "path": "some/target"}, None),
        ({"syscall": "symlinkat", "path": "/some/target"}, None),
        ({"syscall": "io_uring:symlinkat", "path": "?", "path_bytes": b"t\xff"}, None),
        ({"syscall": "symlink", "path": None, "path_bytes": b"target"}, None),
        ({"syscall": "mount", "path": "tmpfs"}, None),
        ({"syscall": "mount", "path": None, "path_bytes": b"tmpfs"}, None),
        ({"syscall": "mount", "path": "/dev/sda1"}, "/dev/sda1"),
        ({"syscall": "rename", "path": "/a"}, "/a"),
        ({"syscall": "io_uring:renameat2", "path": "a", "base": "/srv"}, "/srv/a"),
        ({"syscall": "symlink", "path": "bar", "base": "/srv", "path_role": "new"}, "/srv/bar"),
        ({"syscall": "symlink", "path": "/x", "path_role": None}, "/x"),  # of an old capture
    ],
)
def test_the_text_of_a_link_is_no_file(record: Record, event: Event, file: str | None) -> None:
    """Nor is what a file system without a device is mounted from."""
    path = record([{"path_role": "old", "ret": 0, **event}])
    capture = Capture(path)
    replay = capture.replay(exclude=[])
    (container,) = replay.report().containers
    assert (container.files, container.empty) == (([file], 0) if file else ([], 1))
    assert in_order(replay.results, "file") == in_order(capture.events, "file") == [file or ""]
    assert in_order(replay.results, "result") == ["new" if file else "empty"]


@pytest.mark.parametrize(
    ("event", "file"),
    [
        ({"path": "/etc/x", "base": "/srv"}, "/srv/etc/x"),
        ({"path": "/etc/x", "base": "/srv", "syscall": "io_uring:openat2"}, "/srv/etc/x"),
        ({"path": "/etc/x", "base": "/"}, "/etc/x"),
        ({"path": "/", "base": "/srv/"}, "/srv"),
        ({"path": "/../../x", "base": "/srv/a"}, "/srv/a/x"),
        ({"path": "/?", "path_bytes": b"/\xff", "base": "/srv"}, "/srv/\\xff"),
        ({"path": None, "path_bytes": b"/\xff", "base": "/srv"}, "/srv/\\xff"),
        ({"path": "/x", "base": "/?", "base_bytes": b"/\xff"}, "/\\xff/x"),
        ({"path": "/etc/x"}, "/etc/x"),
        ({"path": "x", "base": "/srv"}, "/srv/x"),
        ({"path": "/etc/x", "base": "/srv", "syscall": "openat"}, "/etc/x"),
    ],
)
def test_an_absolute_path_below_another_root(record: Record, event: Event, file: str) -> None:
    """Only openat2 has RESOLVE_IN_ROOT."""
    path = record([{"syscall": "openat2", **event}, {"path": "/etc/x", "base": "/srv"}])
    replay = Capture(path).replay()
    (container,) = replay.report().containers
    assert sorted(container.files) == sorted({file, "/etc/x"})
    names = [in_order(one, "file") for one in (replay.results, Capture(path).events)]
    assert names[0] == names[1]


def test_a_text_that_is_a_path_to_another_call_is_a_file_there(record: Record) -> None:
    text = {"path": "x", "base": "/srv", "syscall": "symlink", "path_role": "old", "ret": 0}
    replay = Capture(record([text, text | {"syscall": "link"}, text])).replay()
    assert in_order(replay.results, "result") == ["empty", "new", "empty"]


def test_bytes_are_the_identity(record: Record) -> None:
    same_text = [{"path": "/x?", "path_bytes": name} for name in (b"/x\xfe", b"/x\xff", b"/x\xfe")]
    container = only(record, *same_text, {"path": "/x?"}, {"path": "/x\\xff"})
    assert container.files == ["/x?", "/x\\xfe", "/x\\xff", "/x\\xff"]
    assert [(one.file, one.bytes) for one in container.not_utf8] == [
        ("/x\\xfe", b"/x\xfe".hex()),
        ("/x\\xff", b"/x\xff".hex()),
    ]


def test_found_files_are_those_a_call_found(record: Record) -> None:
    container = only(
        record,
        {"path": "/no", "ret": -2},
        {"path": "/yes", "ret": -13},
        {"path": "/yes", "ret": 0},
        {"path": "/unknown", "ret": None, "note": "blocked"},
    )
    assert container.files == ["/no", "/unknown", "/yes"]
    assert container.found_files == ["/yes"]


@pytest.mark.parametrize("key", ["container", "file", "directory", "directory:2", "extension"])
@pytest.mark.parametrize("found_only", [False, True])
def test_a_key_of_names_alone_counts_the_same(key: str, found_only: bool) -> None:
    """It is answered without a second look at the events."""
    replay = Capture.sample().replay(found_only=found_only)
    finer = replay.breakdown(key, "syscall")
    merged = replay.capture.from_arrow(finer.to_arrow_table()).aggregate(
        f'"{key}", sum(events), sum(hits), sum(misses), min(first_seen), max(last_seen)'
    )
    whole = replay.breakdown(key).project(f'"{key}", events, hits, misses, first_seen, last_seen')
    assert sorted(whole.fetchall(), key=str) == sorted(merged.fetchall(), key=str)


def test_neither_hit_nor_miss(record: Record) -> None:
    events = [{"path": "/a", "ret": ret} for ret in (3, -2, None)]
    (row,) = Capture(record(events)).replay().breakdown("syscall").fetchall()
    assert row[:6] == ("openat", 3, 1, 1, 1, 0.5)


@pytest.mark.parametrize(
    ("exclude", "files"),
    [
        (["/proc/", "/sys/", "/dev/"], ["/proc", "/x"]),
        ([], ["/proc", "/proc/1", "/x"]),
        ([""], ["/proc", "/proc/1", "/x"]),
        (["/x", "/proc"], []),
        (["/'"], ["/proc", "/proc/1", "/x"]),
    ],
)
def test_exclude(record: Record, exclude: list[str], files: list[str]) -> None:
    events = [{"path": path} for path in ("/x", "/proc/1", "/proc/../proc/")]
    assert only(record, *events, exclude=exclude).files == files


def test_exclude_bytes(record: Record) -> None:
    events = [{"path": "?", "path_bytes": path} for path in (b"/\xff/a", b"/\xfe/a")]
    assert only(record, *events, exclude=[b"/\xff".decode(errors="surrogateescape")]).files == [
        "/\\xfe/a"
    ]


def test_a_bound_below_nothing(record: Record) -> None:
    with pytest.raises(OptionError, match="cannot be negative"):
        Capture(record([])).replay(max_unique_files=-1)


def test_no_bound_has_no_evictions_and_a_bound_says_how_many(record: Record) -> None:
    events = [{"path": f"/{n % 7}"} for n in range(50)]
    assert only(record, *events, max_unique_files=7).evicted == 0
    assert only(record, *events, max_unique_files=6).evicted == 44
    assert only(record, *events, max_unique_files=6).unique_files == 6


@contextmanager
def in_parts(rows: int) -> Iterator[None]:
    """Let the LRU get about so many events at a time."""
    with patch.object(replay_module, "_PART", rows):
        yield


def test_segments_without_seq_in_parts(tmp_path: Path) -> None:
    names = [f"/{n % 7}" for n in range(100)]
    path = write_session(tmp_path / "s", [])
    for number in range(10):
        rows = {"cgroup_id": [1] * 10, "path": names[10 * number : 10 * number + 10]}
        pq.write_table(pa.table(rows), path / sealed_name(number + 1))
    results, containers = oracle.replay([(1, name.encode()) for name in names], [1], [], 5)
    with in_parts(25):
        replay = Capture(path).replay(max_unique_files=5)
        assert in_order(replay.results, "result") == results
    assert replay.report().containers[0].evicted == containers[1].evicted


def test_order_is_seq_not_place(record: Record) -> None:
    events = [
        {"path": "/late", "seq": 9},
        {"path": "/early", "seq": 1},
        {"path": "/late", "seq": 2},
    ]
    replay = Capture(record(events)).replay(max_unique_files=1)
    assert in_order(replay.results, "result") == ["new", "new", "duplicate"]


def test_replays_do_not_disturb_each_other(record: Record) -> None:
    capture = Capture(record([{"path": "/a"}, {"path": "/b"}]))
    first, second = capture.replay(exclude=["/a"]), capture.replay(exclude=["/b"])
    assert in_order(first.results, "result") == ["excluded", "new"]
    assert in_order(second.results, "result") == ["new", "excluded"]


@pytest.mark.parametrize(
    "hashed",
    [
        "hash(row.path)",
        "hash(row.base)",
        "hash(row.rest_of_name)",
        "row.cgroup_id",
        "row.session_no",
    ],
)
def test_names_with_the_same_hash_are_told_apart(
    record: Record, hashed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """DuckDB's hash has no secret: whoever wants to can make two names that share one."""
    events: list[Event] = [
        {**cgroup, "path": path, "base": base, "path_bytes": exact, "syscall": syscall, "ret": ret}
        for cgroup in ({"cgroup_id": 1}, {"cgroup_id": 2}, {"cgroup_id": None})
        for path, ret in (("/a", 3), ("/b", -2), ("c", 3), ("d", -2), ("", -2), (None, -14))
        for base in (None, "/x", "/y")
        for exact in (None, b"\xff", b"/\xfe")
        for syscall in ("openat", "stat")
    ]
    directories = [record(events * 2, session_id=session) for session in ("one", "two")]
    told_apart = answers(directories)
    same = statement("replay").replace(hashed, "0")
    assert same != statement("replay")
    monkeypatch.setattr(
        replay_module, "statement", lambda name: same if name == "replay" else statement(name)
    )
    assert answers(directories) == told_apart


def answers(directories: list[Path]) -> list[Any]:
    """What is found by the names of events, without a bound and with one."""
    found: list[Any] = []
    for bound in (0, 3):
        replay = Capture(directories).replay(max_unique_files=bound)
        found += [replay.stats.fetchall(), replay.files.fetchall()]
        results = replay.results.project("session_no, seq, cgroup_id, file, result")
        found.append(results.order("ALL").fetchall())
        found += [replay.breakdown(key).fetchall() for key in ("syscall", "result", "file")]
    return found


def test_events_far_out_of_order(record: Record) -> None:
    paths = [f"/{n % 300}" for n in range(30_000)]
    there = [{"path": path, "seq": seq} for seq, path in enumerate(paths)]
    backwards = record(list(reversed(there)))
    results, containers = oracle.replay([(1, path.encode()) for path in paths], [1], [], 299)
    replay = Capture(backwards).replay(max_unique_files=299)
    assert in_order(replay.results, "result") == results
    assert replay.report().containers[0].evicted == containers[1].evicted
