# SPDX-License-Identifier: Apache-2.0
"""Removed segments of which a summary is left: nothing that was seen is forgotten."""

import json
import shutil
from collections import OrderedDict
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from snoop_analysis import Capture
from snoop_analysis.cli import cli
from snoop_analysis.errors import CaptureError, ChangedError, OptionError
from snoop_analysis.replay import Replay
from snoop_analysis.report import Report
from snoop_analysis.sessions import Finder, Session
from snoop_analysis.sqltext import statement
from snoop_analysis.summary import BOUND_AND_SUMMARY, summary
from snoop_format.session import SESSION_FILE, sealed_name
from snoop_format.summary import SUMMARY_FILE

from .conftest import Event, Record, write_session
from .summaries import remove_segments

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
CONTAINERS = [{"cgroup_id": n, "name": f"c{n}", "cgroup_path": f"/c{n}"} for n in (1, 2)]
SAME: dict[str, Any] = {
    "session_id": "s",
    "boot_id": "b",
    "containers": CONTAINERS,
    "started_at": "2026-01-01T12:00:00Z",
    "ended_at": "2026-01-01T13:00:00Z",
}
EVENTS = st.lists(
    st.fixed_dictionaries(
        {
            "cgroup_id": st.sampled_from([1, 1, 2, 3]),
            "path": st.sampled_from(["", "/a", "b", "/d/../a", "/proc/x", None, "/x?"]),
            "path_bytes": st.just(None),
            "base": st.sampled_from([None, "/d"]),
            "real_path": st.sampled_from([None, None, "/r"]),
            "ret": st.sampled_from([0, 3, -2, None]),
            "syscall": st.sampled_from(["openat", "stat", "execve", "utimensat"]),
            "exe": st.sampled_from([None, "/bin/x"]),
            "comm": st.sampled_from(["x", "y"]),
        }
    ),
    min_size=2,
    max_size=40,
)
KEYS = ("syscall", "errno", "program", "note", "directory", "extension", "container", "file")


def dated(events: list[Event]) -> list[Event]:
    """Events a second apart, so that their order is that of their times."""
    return [
        {**event, "ts": NOON + timedelta(seconds=number)} for number, event in enumerate(events)
    ]


def comparable(report: Report) -> dict[str, Any]:
    said = report.as_dict()
    for name in ("first_event", "last_event", "removed"):
        del said["completeness"][name]
    return said


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(events=EVENTS, segments=st.integers(1, 5), removed=st.integers(1, 5), found=st.booleans())
def test_an_answer_is_the_same_without_the_segments(
    record: Record, events: list[Event], segments: int, removed: int, found: bool
) -> None:
    whole = Capture(record(dated(events), segments, **SAME)).replay(found_only=found)
    path = record(dated(events), segments, **SAME)
    remove_segments(path, min(removed, segments))
    replay = Capture(path).replay(found_only=found)

    assert comparable(replay.report()) == comparable(whole.report())
    assert replay.stats.fetchall() == whole.stats.fetchall()
    assert replay.files.fetchall() == whole.files.fetchall()
    for key in KEYS:
        assert replay.breakdown(key).fetchall() == whole.breakdown(key).fetchall()
    assert other_answers(replay) == other_answers(whole)


def other_answers(replay: Replay) -> list[str]:
    """What the commands misses, startup and unused ask.

    But for what ran before: of that a summary, which tells no process from another, knows less.
    """
    replay.execute(statement("calls"))
    replay.add_table("counted", pa.table({"container_no": pa.array([0, 1], pa.uint32())}))
    queries = [statement(name) for name in ("failed_lookups", "observed", "nameless", "used_files")]
    queries.append(statement("startup").replace("/* seconds */", "100"))
    queries.append(statement("miss_directories").replace("/* directories */", "3"))
    return [repr(in_lists_sorted(replay.query(query).fetchall())) for query in queries]


def in_lists_sorted(value: Any) -> Any:
    """The rows; lists in them have no order."""
    if isinstance(value, list):
        return sorted(map(in_lists_sorted, value), key=repr)
    return tuple(map(in_lists_sorted, value)) if isinstance(value, tuple) else value


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    names=st.lists(st.integers(0, 9), min_size=4, max_size=60),
    removed=st.integers(1, 3),
    bound=st.integers(1, 9),
)
def test_with_a_bound_the_files_are_the_same(
    record: Record, names: list[int], removed: int, bound: int
) -> None:
    path = record(dated([{"path": f"/{name}"} for name in names]), 4, **SAME)
    dropped = remove_segments(path, removed)
    (container, _) = Capture(path).replay(max_unique_files=bound).report().containers
    cache: OrderedDict[str, None] = OrderedDict()
    for name in names:
        cache[f"/{name}"] = None
        cache.move_to_end(f"/{name}")
        if len(cache) > bound:
            cache.popitem(last=False)
    assert container.files == sorted(cache)
    assert container.total_events == len(names)
    assert dropped.rows + Capture(path).sessions_found[0].rows == len(names)


def test_results_are_those_of_the_events_there_are(record: Record) -> None:
    path = record(dated([{"path": f"/{n % 3}"} for n in range(8)]), 4, **SAME)
    remove_segments(path, 1)
    replay = Capture(path).replay()
    rows = replay.results.project("seq, result").order("seq").fetchall()
    assert [result for _, result in rows] == ["new", *["duplicate"] * 5]
    assert replay.breakdown("result").project("result, events").fetchall() == [
        ("duplicate", 5),
        (None, 2),
        ("new", 1),
    ]


def test_what_is_left_can_be_queried(record: Record) -> None:
    path = record(dated([{"path": "x", "base": "/a", "ret": -2}] * 4), 2, **SAME)
    remove_segments(path, 1)
    capture = Capture(path)
    columns = "file, found, errno_name, program, container, count"
    wanted = [("/a/x", False, "ENOENT", "app", "c1", 2)]
    assert capture.query(f"SELECT {columns} FROM summarized").fetchall() == wanted
    assert capture.summarized.project(columns).fetchall() == wanted
    columns = "segments, rows, removed_rows, summarized_rows"
    assert capture.sessions.project(columns).fetchall() == [(1, 2, 2, 2)]


def test_the_report_says_from_when_on_it_is_recorded(record: Record) -> None:
    path = record(dated([{"path": f"/{n}"} for n in range(6)]), 3, **SAME)
    remove_segments(path, 1)
    report = Capture(path).replay().report()
    assert summary(report)[0] == (
        "! recorded from 2026-01-01T12:00:01Z on: 2 earlier events removed to save space, "
        "a summary of these is kept: their files are listed (s)"
    )
    assert report.completeness.complete
    (removed,) = report.completeness.removed
    assert (removed.events, removed.summarized_events, removed.first_event) == (
        2,
        2,
        "2026-01-01T12:00:00Z",
    )


def test_counts_of_a_bound_over_a_summary_are_said_to_be_bounds(record: Record) -> None:
    events = dated([{"path": f"/{n % 3}"} for n in range(12)])
    whole, path = (record(events, 2, **SAME) for _ in range(2))
    remove_segments(path, 1)

    def new(capture: Path, bound: int) -> tuple[int, bool]:
        replay = Capture(capture).replay(max_unique_files=bound)
        said = any(BOUND_AND_SUMMARY in line for line in summary(replay.report()))
        return replay.stats.project("new").fetchall()[-1][0], said

    assert [new(whole, 2), new(path, 2)] == [(12, False), (9, True)]
    assert [new(whole, 3), new(path, 3)] == [(3, False), (3, False)]
    for capture, said in ((whole, False), (path, True)):
        done = CliRunner().invoke(cli, ["lru", str(capture), "--capacity", "2"])
        assert (f"! {BOUND_AND_SUMMARY}\n" in done.stderr) == said


@pytest.mark.parametrize("kind", ["csv", "json", "parquet", "slim"])
def test_an_export_says_whether_removed_events_are_in_it(
    record: Record, tmp_path: Path, kind: str
) -> None:
    path = record(dated([{"path": f"/{n}"} for n in range(6)]), 3, **SAME)
    remove_segments(path, 1)
    words = ["export", str(path), "--to", kind, "-o", str(tmp_path / "out")]
    said = CliRunner().invoke(cli, words).stderr
    assert said == "! recorded from 2026-01-01T12:00:01Z on: 2 earlier events removed to save " + (
        "space, a summary of these is kept: their files are listed (s)\n"
        if kind == "slim"
        else "space and not among these events, a summary of these is kept: "
        "the command files lists their files (s)\n"
    )


def test_without_a_summary_files_are_missing(record: Record) -> None:
    path = record(dated([{"path": f"/{n}"} for n in range(6)]), 3, **SAME)
    remove_segments(path, 1, summarize=False)
    report = Capture(path).replay().report()
    assert "2 earlier events removed to save space, their files are not known" in summary(report)[0]
    assert not report.completeness.complete
    assert report.completeness.earlier_segments_removed == ["s"]
    assert report.completeness.missing_events == 0
    later = Capture(path).replay(since=NOON + timedelta(seconds=2)).report()
    assert later.completeness.complete


@pytest.mark.parametrize(
    ("since", "until", "files", "undated"),
    [
        (None, None, ["/a", "/b", "/c"], 0),
        (0, 9, ["/a", "/b", "/c"], 0),
        (4, None, ["/c"], 0),
        (1, None, ["/a", "/b", "/c"], 2),
        (2, None, ["/a", "/c"], 2),
        (None, 1, ["/a"], 2),
        (1, 2, ["/a", "/b"], 2),
    ],
)
def test_times(
    record: Record, since: int | None, until: int | None, files: list[str], undated: int
) -> None:
    events = [{"path": path} for path in ("/a", "/b", "/a", "/c", "/c", "/c")]
    path = record(dated(events), 2, **SAME)
    remove_segments(path, 1)
    bounds = [None if one is None else NOON + timedelta(seconds=one) for one in (since, until)]
    report = Capture(path).replay(since=bounds[0], until=bounds[1]).report()
    assert report.containers[0].files == files
    assert report.completeness.undated_events == undated
    assert report.completeness.complete == (not undated)


def test_a_summary_of_events_without_a_time_counts(record: Record) -> None:
    path = record([{"path": "/a"}, {"path": "/b", "ts": NOON}], 2, **SAME)
    remove_segments(path, 1)
    for since, until in ((NOON, None), (None, NOON + timedelta(seconds=1))):
        report = Capture(path).replay(since=since, until=until).report()
        assert report.containers[0].files == ["/a", "/b"]
        assert report.completeness.undated_events == 1


def test_a_session_of_which_only_the_summary_is_left(record: Record) -> None:
    path = record(dated([{"path": "/a"}, {"path": "/b"}]), 1, **SAME)
    remove_segments(path, 1)
    report = Capture(path).replay().report()
    assert report.containers[0].files == ["/a", "/b"]
    assert report.completeness.complete


def test_segments_on_their_way_out_do_not_count_twice(record: Record) -> None:
    path = record(dated([{"path": f"/{n}"} for n in range(4)]), 2, **SAME)
    old = (path / SESSION_FILE).read_text()
    segment = (path / sealed_name(1)).read_bytes()
    remove_segments(path, 1)
    (path / sealed_name(1)).write_bytes(segment)
    (path / SESSION_FILE).write_text(old)  # the recorder died before it wrote the new one
    report = Capture(path).replay().report()
    assert (report.total_events, len(report.containers[0].files)) == (4, 4)


def test_a_gap_behind_the_removed_segments(record: Record) -> None:
    path = record(dated([{"path": f"/{n}"} for n in range(4)]), 4, **SAME)
    remove_segments(path, 1)
    (path / sealed_name(2)).unlink()
    with pytest.raises(CaptureError, match="lacks segment 2"):
        Capture(path)
    lacks = Capture(path, skip_damaged=True).replay().report().completeness
    assert (lacks.missing_segments, lacks.missing_events) == (["s 2"], 1)


def test_without_a_list_the_containers_of_a_summary_are_known(record: Record) -> None:
    events = [{"path": "/a", "cgroup_id": 7}, {"path": "/b", "cgroup_id": 8}]
    path = record(dated(events), 2, **(SAME | {"containers": None}))
    remove_segments(path, 1)
    report = Capture(path).replay().report()
    assert [(one.cgroup_id, one.files) for one in report.containers] == [(7, ["/a"]), (8, ["/b"])]


@pytest.mark.parametrize("content", [b"", b"PAR1", b"x" * 100])
def test_a_damaged_summary(record: Record, content: bytes) -> None:
    path = record(dated([{"path": f"/{n}"} for n in range(4)]), 2, **SAME)
    remove_segments(path, 1)
    (path / SUMMARY_FILE).write_bytes(content)
    with pytest.raises(CaptureError, match=str(path / SUMMARY_FILE)):
        Capture(path)
    report = Capture(path, skip_damaged=True).replay().report()
    assert report.containers[0].files == ["/2", "/3"]
    assert not report.completeness.complete
    assert str(path / SUMMARY_FILE) in report.completeness.left_out[0]


@pytest.mark.parametrize("said", [5, {"segments": -1}, {"rows": "x"}, {"last_seq": 1 << 64}])
def test_damaged_words_about_removed_segments(record: Record, said: Any) -> None:
    path = record(dated([{"path": "/a"}]), **(SAME | {"dropped": said}))
    with pytest.raises(CaptureError, match=r"session\.json is damaged: dropped"):
        Capture(path)
    report = Capture(path, skip_damaged=True).replay().report()
    assert report.containers[0].files == ["/a"]


def test_going_on_where_segments_were_removed_meanwhile(record: Record) -> None:
    events = dated([{"path": f"/{n}"} for n in range(6)])
    beginning = Capture(record(events[:4], 2, **SAME)).replay()
    path = record(events, 3, **SAME)
    whole = Capture(path).replay()
    remove_segments(path, 2)
    rest = Capture(path).replay(state=beginning.state)
    assert comparable(rest.report())["containers"] == comparable(whole.report())["containers"]


def test_not_going_on_where_segments_were_removed_unseen(record: Record) -> None:
    events = dated([{"path": f"/{n}"} for n in range(6)])
    beginning = Capture(record(events[:2], 1, **SAME)).replay()
    path = record(events, 3, **SAME)
    remove_segments(path, 2)
    with pytest.raises(OptionError, match="segments of session s were removed before"):
        Capture(path).replay(state=beginning.state)


def test_two_sessions_with_a_bound(tmp_path: Path) -> None:
    for number, names in enumerate(("abc", "dab")):
        events = [{"path": f"/{name}"} for name in names for _ in range(2)]
        started = f"2026-01-0{number + 1}T00:00:00Z"
        path = write_session(
            tmp_path / str(number),
            dated(events),
            2,
            **(SAME | {"session_id": str(number), "started_at": started}),
        )
        remove_segments(path, 1)
    report = Capture(tmp_path).replay(max_unique_files=2).report()
    assert report.containers[0].files == ["/a", "/b"]
    assert json.dumps(report.as_dict())


def with_summary_of(tmp_path: Path, removed: int) -> Path:
    """A session of three segments of which the first ones were removed."""
    directory = write_session(tmp_path / str(removed), dated(events_of(30)), 3, **SAME)
    remove_segments(directory, removed)
    return directory


def events_of(count: int) -> list[Event]:
    return [{"path": f"/{number}", "cgroup_id": 1} for number in range(count)]


def replace_summary(directory: Path, other: Path) -> None:
    """The first step of a recorder that removes segments: they are still there."""
    shutil.copy(other / SUMMARY_FILE, directory / "new")
    (directory / "new").replace(directory / SUMMARY_FILE)


def test_a_capture_that_is_open_keeps_its_summary(tmp_path: Path) -> None:
    directory, later = with_summary_of(tmp_path, 1), with_summary_of(tmp_path, 2)
    capture = Capture(directory)
    replay = capture.replay()
    replace_summary(directory, later)
    for again in (replay, capture.replay()):
        assert again.breakdown("syscall").fetchall()[0][1] == 30
        assert again.report().total_events == 30
    assert Capture(directory).replay().report().total_events == 30


def test_a_summary_that_is_replaced_while_it_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory, later = with_summary_of(tmp_path, 1), with_summary_of(tmp_path, 2)
    find = Finder.sessions

    def find_and_replace(self: Finder, paths: Sequence[Path]) -> list[Session]:
        found = find(self, paths)
        replace_summary(directory, later)
        return found

    for skip_damaged in (False, True):
        replace_summary(directory, with_summary_of(tmp_path / str(skip_damaged), 1))
        with monkeypatch.context() as patched:
            patched.setattr(Finder, "sessions", find_and_replace)
            with pytest.raises(ChangedError, match=f"{SUMMARY_FILE} was replaced while"):
                Capture(directory, skip_damaged=skip_damaged)
    opened = Capture(directory)
    assert (opened.replay().report().total_events, opened.left_out) == (30, [])
