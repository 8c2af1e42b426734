# SPDX-License-Identifier: Apache-2.0
"""Which container was busy when."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

import altair as alt

from snoop_analysis.display.containers import labels
from snoop_analysis.plotting.intervals import Interval, intervals
from snoop_analysis.plotting.labels import label
from snoop_analysis.plotting.style import Picture, Style, empty, time_axis

if TYPE_CHECKING:
    from snoop_analysis.replay import Replay

_NUMBER: Final = 60
_MOST: Final = 40


def heatmap(replay: Replay, style: Style) -> Picture:
    """A row for each container, a cell for each interval: the darker, the more calls.

    Of more than 40 containers, those with fewest calls share a row.
    """
    axis, found = intervals(replay, _NUMBER)
    if not found:
        return empty("No event has a time.", style)
    names = _rows(replay, found)
    cells: Counter[tuple[str, float, float]] = Counter()
    for one in found:
        cells[names[one.container_no], one.start, one.end] += _calls(one)
    values = [
        {"container": container, "start": start, "end": end, "calls": calls}
        for (container, start, end), calls in cells.items()
    ]
    chart: alt.Chart = (
        alt.Chart(alt.InlineData(values=values), title="Calls by container and time")
        .mark_rect(color=style.found)
        .encode(
            x=alt.X("start:Q", bin="binned", title=axis.title, axis=time_axis()),
            x2="end:Q",
            y=alt.Y("container:N", title=None, sort=list(dict.fromkeys(names.values()))),
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


def _calls(one: Interval) -> int:
    return one.found + one.missed + one.without_result


def _rows(replay: Replay, found: list[Interval]) -> dict[int | None, str]:
    """The row each container is drawn in, by its number; in the order of the report."""
    chosen = replay.query(
        "SELECT container_no, name, cgroup_id FROM chosen ORDER BY container_no"
    ).fetchall()
    known = labels((name, cgroup_id) for _, name, cgroup_id in chosen)
    calls: Counter[int | None] = Counter()
    for one in found:
        calls[one.container_no] += _calls(one)
    busiest = [number for number, _ in calls.most_common()]
    shared = dict.fromkeys(busiest[_MOST:], f"{len(busiest) - _MOST:,} other containers")
    named = {number: label(known[name, cgroup_id]) for number, name, cgroup_id in chosen}
    alone = {number: name for number, name in named.items() if number not in shared}
    return {**alone, None: "unknown containers", **shared}
