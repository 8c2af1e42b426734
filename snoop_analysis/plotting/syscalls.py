# SPDX-License-Identifier: Apache-2.0
"""Which system calls were made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import altair as alt

from snoop_analysis.plotting.labels import label
from snoop_analysis.plotting.style import (
    OUTCOMES,
    Picture,
    Style,
    calls_axis,
    empty,
    filtered,
    outcome_colour,
)

if TYPE_CHECKING:
    from snoop_analysis.replay import Replay

_MOST: Final = 20


def syscalls(replay: Replay, style: Style) -> Picture:
    """A bar for each system call, most events first; beyond 20 the rest is one bar."""
    rows = replay.breakdown("syscall").project("syscall, events, hits, misses").fetchall()
    if not rows:
        return empty("No calls were recorded.", style)
    named = [(label(name) or "unknown", *counts) for name, *counts in rows[:_MOST]]
    if len(rows) > _MOST:
        rest = (sum(row[column] for row in rows[_MOST:]) for column in (1, 2, 3))
        named.append((f"{len(rows) - _MOST} other calls", *rest))
    bars = [
        {"syscall": name, "outcome": outcome, "place": place, "calls": calls}
        for name, events, hits, misses in named
        for place, (outcome, calls) in enumerate(
            zip(OUTCOMES, (hits, misses, events - hits - misses), strict=True)
        )
        if calls
    ]
    chart: alt.Chart = (
        alt.Chart(alt.InlineData(values=bars), title="Calls by system call")
        .mark_bar()
        .encode(
            x=alt.X("calls:Q", title="calls", axis=calls_axis()),
            y=alt.Y("syscall:N", title=None, sort=[name for name, *_ in named]),
            color=outcome_colour(style),
            order=alt.Order("place:Q"),
            tooltip=["syscall:N", "outcome:N", alt.Tooltip("calls:Q", format=",")],
        )
        .properties(width=style.width, height=alt.Step(20))
    )
    return filtered(chart, "syscalls", "outcome", style)
