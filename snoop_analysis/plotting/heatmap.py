# SPDX-License-Identifier: Apache-2.0
"""Which container was busy when."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import altair as alt

from snoop_analysis.display.containers import labels
from snoop_analysis.plotting.intervals import intervals
from snoop_analysis.plotting.style import Picture, Style, empty

if TYPE_CHECKING:
    from snoop_analysis.replay import Replay

_NUMBER: Final = 60


def heatmap(replay: Replay, style: Style) -> Picture:
    """A row for each container, a cell for each interval: the darker, the more calls."""
    axis, found = intervals(replay, _NUMBER)
    if not found:
        return empty("No event has a time.", style)
    names = _labels(replay)
    cells = [
        {
            "container": names.get(one.container_no, "unknown container"),
            "start": one.start,
            "end": one.end,
            "calls": one.found + one.missed + one.without_result,
        }
        for one in found
    ]
    chart: alt.Chart = (
        alt.Chart(alt.InlineData(values=cells), title="Calls by container and time")
        .mark_rect(color=style.found)
        .encode(
            x=alt.X("start:Q", bin="binned", title=axis.title, axis=alt.Axis(tickCount=6)),
            x2="end:Q",
            y=alt.Y("container:N", title=None, sort=list(names.values())),
            opacity=alt.Opacity(
                "calls:Q",
                scale=alt.Scale(type="log", range=[0.25, 1]),
                legend=None,
            ),
            tooltip=[alt.Tooltip("container:N"), alt.Tooltip("calls:Q", format=",")],
        )
        .properties(width=style.width, height=alt.Step(24))
    )
    return chart


def _labels(replay: Replay) -> dict[int | None, str]:
    """A label for each container, by its number."""
    rows = replay.query(
        "SELECT container_no, name, cgroup_id FROM chosen ORDER BY container_no"
    ).fetchall()
    known = labels((name, cgroup_id) for _, name, cgroup_id in rows)
    return {number: known[name, cgroup_id] for number, name, cgroup_id in rows}
