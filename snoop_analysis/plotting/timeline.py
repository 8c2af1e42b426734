# SPDX-License-Identifier: Apache-2.0
"""When the calls were made, and whether they found what they asked for."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

import altair as alt

from snoop_analysis.plotting.intervals import Interval, TimeAxis, intervals
from snoop_analysis.plotting.style import (
    OUTCOMES,
    Picture,
    Style,
    calls_axis,
    empty,
    filtered,
    outcome_colour,
    time_axis,
)

if TYPE_CHECKING:
    from snoop_analysis.replay import Replay

_NUMBER: Final = 80


def timeline(replay: Replay, style: Style) -> Picture:
    """Bars over time: calls that found a file, that missed, that have no result."""
    axis, bars = timeline_bars(replay)
    if not bars:
        return empty("No event has a time.", style)
    subtitle = [f"{axis.untimed:,} events without a plausible time are not drawn"]
    chart: alt.Chart = (
        alt.Chart(
            alt.InlineData(values=bars),
            title=alt.Title("Calls over time", subtitle=subtitle if axis.untimed else []),
        )
        .mark_bar(binSpacing=0)
        .encode(
            x=alt.X("start:Q", bin="binned", title=axis.title, axis=time_axis()),
            x2="end:Q",
            y=alt.Y("calls:Q", title=None, axis=calls_axis()),
            color=outcome_colour(style),
            order=alt.Order("place:Q"),
            tooltip=[alt.Tooltip("outcome:N"), alt.Tooltip("calls:Q", format=",")],
        )
        .properties(width=style.width, height=180)
    )
    drawn = filtered(chart, "timeline", "outcome", style)
    return drawn.interactive(bind_y=False) if style.zooms else drawn


def timeline_bars(replay: Replay) -> tuple[TimeAxis, list[dict[str, Any]]]:
    """Where the bars stand, and for each ``start``, ``end``, ``outcome``, ``place``, ``calls``."""
    axis, found = intervals(replay, _NUMBER)
    return axis, _bars(found)


def _bars(found: list[Interval]) -> list[dict[str, Any]]:
    counts: Counter[tuple[float, float, str]] = Counter()
    for one in found:
        for outcome, calls in zip(
            OUTCOMES, (one.found, one.missed, one.without_result), strict=True
        ):
            counts[one.start, one.end, outcome] += calls
    return [
        {
            "start": start,
            "end": end,
            "outcome": outcome,
            "place": OUTCOMES.index(outcome),
            "calls": calls,
        }
        for (start, end, outcome), calls in counts.items()
        if calls
    ]
