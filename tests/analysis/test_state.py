# SPDX-License-Identifier: Apache-2.0
"""A replay of the beginning, then of the rest, is a replay of all."""

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from snoop_analysis import Capture
from snoop_analysis.errors import OptionError
from snoop_analysis.report import Report

from .conftest import Event, Record, in_order

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


def test_a_session_that_grows(record: Record) -> None:
    events = [{"path": f"/{n}"} for n in range(6)]
    state = None
    for end in (2, 4, 6):
        path = record(events[:end], session_id="s", boot_id="b")
        replay = Capture(path).replay(state=state)
        state = replay.state
        assert len(replay.results.fetchall()) == 2
    assert replay.report().containers[0].files == [f"/{n}" for n in range(6)]
