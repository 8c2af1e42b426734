# SPDX-License-Identifier: Apache-2.0
"""When the calls were made."""

from typing import Any

from snoop_analysis.display.description import Table
from snoop_analysis.html.figure import figure
from snoop_analysis.html.section import Section, Source
from snoop_analysis.plotting.style import OUTCOMES
from snoop_analysis.plotting.timeline import timeline_bars


def section(source: Source) -> Section:
    """The picture, and its bars as a table."""
    axis, bars = timeline_bars(source.replay)
    label = "Calls over time: those that found a file, that missed, that have no result"
    return Section(
        "timeline",
        "Timeline",
        {
            "picture": figure(source.replay, lambda plots: plots.timeline(), label),
            "table": Table(("from", "to", *OUTCOMES), _rows(bars), axis.title),
        },
    )


def _rows(bars: list[dict[str, Any]]) -> list[list[object]]:
    """A row for each interval in which anything was called."""
    intervals: dict[tuple[float, float], dict[str, int]] = {}
    for bar in bars:
        intervals.setdefault((bar["start"], bar["end"]), {})[bar["outcome"]] = bar["calls"]
    return [
        [*edges, *(calls.get(outcome, 0) for outcome in OUTCOMES)]
        for edges, calls in sorted(intervals.items())
    ]
