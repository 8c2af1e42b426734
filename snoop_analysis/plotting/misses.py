# SPDX-License-Identifier: Apache-2.0
"""Where programs looked for files that are not there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import altair as alt

from snoop_analysis.names import shown
from snoop_analysis.plotting.style import Picture, Style, calls_axis, empty
from snoop_analysis.sqltext import statement
from snoop_analysis.terminal import printable

if TYPE_CHECKING:
    from snoop_analysis.replay import Replay

_MOST: Final = 20


def misses(replay: Replay, style: Style) -> Picture:
    """A bar for each of the directories with most failed calls, by error."""
    query = statement("miss_directories").replace("/* directories */", str(_MOST))
    rows = replay.query(query).fetchall()
    if not rows:
        return empty("No call failed.", style)
    errors = list(dict.fromkeys(error for _, error, _ in rows))
    bars = [
        {
            "directory": printable(shown(directory)),
            "error": error,
            "place": errors.index(error),
            "calls": calls,
        }
        for directory, error, calls in rows
    ]
    directories = list(dict.fromkeys(bar["directory"] for bar in bars))
    chart: alt.Chart = (
        alt.Chart(alt.InlineData(values=bars), title="Failed calls by directory")
        .mark_bar()
        .encode(
            x=alt.X("calls:Q", title="failed calls", axis=calls_axis()),
            y=alt.Y("directory:N", title=None, sort=directories),
            color=alt.Color(
                "error:N",
                title=None,
                scale=alt.Scale(range=[style.missed, style.other, *style.areas]),
                sort=errors,
                legend=alt.Legend(orient="top", columns=4),
            ),
            order=alt.Order("place:Q"),
            tooltip=["directory:N", "error:N", alt.Tooltip("calls:Q", format=",")],
        )
        .properties(width=style.width, height=alt.Step(20))
    )
    return chart
