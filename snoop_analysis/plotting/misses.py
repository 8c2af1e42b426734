# SPDX-License-Identifier: Apache-2.0
"""Where programs looked for files that are not there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

import altair as alt

from snoop_analysis.names import shown
from snoop_analysis.plotting.style import Picture, Style, calls_axis, empty, filtered, path_axis
from snoop_analysis.sqltext import statement
from snoop_analysis.terminal import printable

if TYPE_CHECKING:
    from snoop_analysis.replay import Replay

_MOST: Final = 20
_ABSENT: Final = "ENOENT"
_OTHERS: Final = "other errors"


def misses(replay: Replay, style: Style) -> Picture:
    """A bar for each of the directories with most failed calls, by error."""
    query = statement("miss_directories").replace("/* directories */", str(_MOST))
    rows = replay.query(query).fetchall()
    if not rows:
        return empty("No call failed.", style)
    colours = _colours(((error, calls) for _, error, calls in rows), style)
    counts: Counter[tuple[str, str]] = Counter()
    for directory, error, calls in rows:
        counts[printable(shown(directory)), error if error in colours else _OTHERS] += calls
    errors = [error for error in colours if any(error == one for _, one in counts)]
    bars = [
        {"directory": directory, "error": error, "place": errors.index(error), "calls": calls}
        for (directory, error), calls in counts.items()
    ]
    chart: alt.Chart = (
        alt.Chart(alt.InlineData(values=bars), title="Failed calls by directory")
        .mark_bar()
        .encode(
            x=alt.X("calls:Q", title="failed calls", axis=calls_axis()),
            y=alt.Y(
                "directory:N",
                title=None,
                axis=path_axis(style),
                sort=list(dict.fromkeys(directory for directory, _ in counts)),
            ),
            color=alt.Color(
                "error:N",
                title=None,
                scale=alt.Scale(domain=errors, range=[colours[error] for error in errors]),
                legend=alt.Legend(orient="top", columns=3 if style.width < 400 else 0),
            ),
            order=alt.Order("place:Q"),
            tooltip=["directory:N", "error:N", alt.Tooltip("calls:Q", format=",")],
        )
        .properties(width=style.width, height=alt.Step(20))
    )
    return filtered(chart, "misses", "error", style)


def _colours(failed: Iterable[tuple[str, int]], style: Style) -> dict[str, str]:
    """A colour for ENOENT, for each of the commonest errors besides, and for the rest."""
    calls: Counter[str] = Counter()
    for error, number in failed:
        calls[error] += number
    del calls[_ABSENT]
    _, *colours = style.areas  # the first is that of calls that found a file
    others = [error for error, _ in calls.most_common(len(colours))]
    named = dict(zip(others, colours, strict=False))
    return {_ABSENT: style.missed, **named, _OTHERS: style.other}
