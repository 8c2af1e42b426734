# SPDX-License-Identifier: Apache-2.0
"""A replay of the beginning, then of the rest, is a replay of all."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from snoop_analysis import Capture
from snoop_analysis.errors import OptionError
from snoop_analysis.exporting import export
from snoop_analysis.html.document import write_page
from snoop_analysis.image import open_image
from snoop_analysis.observed import observe
from snoop_analysis.replay import Replay
from snoop_analysis.report import Report
from snoop_analysis.startup import begun_before, startup
from snoop_format.session import sealed_name

from .conftest import Event, Record, in_order, segment, write_session
from .summaries import remove_segments

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)

CONTAINERS = [{"cgroup_id": n, "name": f"c{n}", "cgroup_path": f"/c{n}"} for n in (1, 2)]
EVENTS = st.lists(
    st.builds(
        lambda cgroup, name, ret: {"cgroup_id": cgroup, "path": name, "ret": ret},
        st.sampled_from([1, 2, 3]),
        st.sampled_from(["", "/a", "/b", "/c", "d", "/d/../a", "/proc/x", None]),
        st.sampled_from([0, -2]),
    ),
    min_size=2,
    max_size=40,
)


def comparable(report: Report) -> dict[str, Any]:
    said = report.as_dict()
    del said["completeness"]["still_recording"]
    return said


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(events=EVENTS, cut=st.integers(0, 40), bound=st.integers(0, 4))
def test_prefix_and_rest_are_all(record: Record, events: list[Event], cut: int, bound: int) -> None:
    same: dict[str, Any] = {"containers": CONTAINERS, "session_id": "s", "boot_id": "b"}
    beginning = Capture(record(events[:cut], **same)).replay(max_unique_files=bound)
    whole = Capture(record(events, **same))
    rest = whole.replay(max_unique_files=bound, state=beginning.state)
    at_once = whole.replay(max_unique_files=bound)

    assert comparable(rest.report()) == comparable(at_once.report())
    assert rest.stats.fetchall() == at_once.stats.fetchall()
    assert in_order(rest.results, "result") == in_order(at_once.results, "result")[cut:]
    assert ordered(rest.state.files) == ordered(at_once.state.files)


def ordered(files: pa.Table) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = files.to_pylist()
    return sorted(rows, key=lambda row: (row["identity"], row["file"]))


def test_only_with_the_same_settings(record: Record) -> None:
    capture = Capture(record([{"path": "/a"}]))
    with pytest.raises(OptionError, match="the settings it began with"):
        capture.replay(exclude=[], state=capture.replay().state)


def test_events_that_may_be_of_another_time_are_carried_over(record: Record) -> None:
    events = [{"path": f"/{n // 2}", "ts": NOON.replace(minute=n)} for n in range(4)]
    events += [{"path": "/undated", "ts": None}] * 2
    same: dict[str, Any] = {"session_id": "s", "boot_id": "b"}
    asked: dict[str, Any] = {"since": NOON.replace(minute=1)}
    state = None
    for count, undated in ((4, 2), (5, 3), (6, 4)):
        path = write_session(record([]), events[:4], 2, **same)
        remove_segments(path, 1)
        pq.write_table(segment(events[4:count], 4), path / sealed_name(3))
        replay = Capture(path).replay(state=state, **asked)
        completeness = replay.report().completeness
        assert (completeness.undated_events, completeness.complete) == (undated, False)
        assert comparable(replay.report()) == comparable(Capture(path).replay(**asked).report())
        state = replay.state


def test_what_is_about_the_new_events(record: Record, tmp_path: Path) -> None:
    events = [{"path": "/a", "real_path": "/real/a"}, {"path": "/b"}, {"path": "/a", "ret": -2}]
    same: dict[str, Any] = {"session_id": "s", "boot_id": "b"}
    state = Capture(record(events[:2], **same)).replay().state
    replay = Capture(record(events, **same)).replay(state=state)

    assert replay.files.project("path, events, hits, misses, syscalls").fetchall() == [
        ("/a", 2, 1, 1, ["openat"]),
        ("/b", 1, 1, 0, None),
    ]
    assert replay.breakdown("file").project("file, events").fetchall() == [("/a", 1)]
    assert replay.results.project("seq, result").fetchall() == [(2, "duplicate")]
    assert export(replay, "csv", tmp_path / "events.csv") == []
    assert len((tmp_path / "events.csv").read_text().splitlines()) == 2


@pytest.mark.parametrize(
    ("what", "make"),
    [
        ("the list for slim", lambda replay, path: export(replay, "slim", path)),
        ("a list of what was touched first", lambda replay, _: startup(replay, 1)),
        ("a list of what was running before", lambda replay, _: begun_before(replay)),
        ("a page", write_page),
        (
            "what was used of an image",
            lambda replay, path: observe(replay, open_image(path.parent)),
        ),
    ],
)
def test_what_would_lack_files_that_were_used_before(
    record: Record, tmp_path: Path, what: str, make: Callable[[Replay, Path], object]
) -> None:
    capture = Capture(record([{"path": "/a"}], session_id="s"))
    path = tmp_path / "made"
    with pytest.raises(OptionError, match=f"{what} cannot be made .* without state"):
        make(capture.replay(state=capture.replay().state), path)
    assert not path.exists()


def test_a_session_that_grows(record: Record) -> None:
    events = [{"path": f"/{n}"} for n in range(6)]
    state = None
    for end in (2, 4, 6):
        path = record(events[:end], session_id="s", boot_id="b")
        replay = Capture(path).replay(state=state)
        state = replay.state
        assert len(replay.results.fetchall()) == 2
    assert replay.report().containers[0].files == [f"/{n}" for n in range(6)]


NAMES = [f"/{n}" for n in range(15)]
SAME: dict[str, Any] = {"session_id": "s", "host": "h", "boot_id": "b"}


def written(directory: Path, segments: Sequence[Sequence[int]], **session: Any) -> Path:
    """A session with these seqs in its segments; a segment without any is not there."""
    write_session(directory, [], len(segments), **SAME, **session)
    for number, seqs in enumerate(segments, 1):
        events = [{"path": NAMES[seq], "seq": seq} for seq in seqs]
        pq.write_table(segment(events), directory / sealed_name(number))
        if not events:
            (directory / sealed_name(number)).unlink()
    return directory


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([range(5), [], range(10, 15)], [range(5), range(5, 10), range(10, 15)]),
        ([range(5, 10)], [range(5, 10), range(5)]),
        ([range(5)], [range(5), [4]]),
        ([[0, 1, 3]], [[0, 1, 3, 3, 4]]),
    ],
    ids=["missing", "smaller", "repeated", "repeated in the same"],
)
def test_events_come_before_others_that_were_read(
    tmp_path: Path, before: list[list[int]], after: list[list[int]]
) -> None:
    state = Capture(written(tmp_path, before), skip_damaged=True).replay().state
    grown = Capture(written(tmp_path, after), skip_damaged=True)
    with pytest.raises(OptionError, match=r"came or went among|other parts of the capture"):
        grown.replay(state=state)


def test_what_could_not_be_read_and_now_can(tmp_path: Path) -> None:
    path = written(tmp_path, [range(5), range(5, 10)])
    whole = (path / sealed_name(2)).read_bytes()
    (path / sealed_name(2)).write_bytes(whole[:-100])
    state = Capture(path, skip_damaged=True).replay().state
    (path / sealed_name(2)).write_bytes(whole)
    with pytest.raises(OptionError, match="other parts of the capture than before"):
        Capture(path, skip_damaged=True).replay(state=state)


@pytest.mark.parametrize("before", [None, [{"cgroup_id": 1, "name": "app"}]])
def test_a_container_that_becomes_known_by_its_path(tmp_path: Path, before: Any) -> None:
    state = Capture(written(tmp_path, [range(5)], containers=before)).replay().state
    with pytest.raises(OptionError, match="are not the same any more"):
        Capture(written(tmp_path, [range(5), range(5, 10)])).replay(state=state)


def test_gaps_and_repeats_are_carried(tmp_path: Path) -> None:
    parts = [[1, 2, 2, 4], [6, 6], [7], [9]]
    state = None
    for end in range(1, 5):
        capture = Capture(written(tmp_path, parts[:end]))
        replay = capture.replay(state=state)
        state = replay.state
        assert comparable(replay.report()) == comparable(capture.replay().report())
    assert replay.report().completeness.missing_events == 3
