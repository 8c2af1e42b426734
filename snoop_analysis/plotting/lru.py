# SPDX-License-Identifier: Apache-2.0
"""What a bound on the files of a container would cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

import altair as alt

from snoop_analysis.capacities import capacity_table
from snoop_analysis.plotting.style import Picture, Style, empty

if TYPE_CHECKING:
    from snoop_analysis.replay import Replay

_POINTS: Final = 8
_LINES: Final = ("calls that hit the cache", "files asked for that the report has")


def lru(replay: Replay, style: Style, capacities: Sequence[int] | None = None) -> Picture:
    """Two lines over the bound: the share of calls that hit, and of the files a report keeps.

    Args:
        replay: its settings but the bound are taken.
        style: how it looks.
        capacities: the bounds; null: some up to the number of files.
    """
    arguments = asdict(replay.settings)
    del arguments["max_unique_files"]
    ((most,),) = replay.query(
        "SELECT coalesce(max(files), 0) FROM "
        "(SELECT count(*) AS files FROM files GROUP BY container_no)"
    ).fetchall()
    if not most:
        return empty("No file was asked for.", style)
    table = capacity_table(replay.capture, capacities or _up_to(most), arguments)
    unbounded, *bounded = [dict(zip(table.columns, row, strict=True)) for row in table.fetchall()]
    capacities = [row["capacity"] for row in bounded]
    kept = alt.Scale(type="log", nice=False)
    marked = alt.Axis(values=capacities, format=",d", labelOverlap="greedy")
    shares = alt.Scale(domain=[0, 1])
    points = [point for row in bounded for point in _points(row, unbounded)]
    chart: alt.Chart = (
        alt.Chart(alt.InlineData(values=points), title="What a bound on the files would cost")
        .mark_line(point=True)
        .encode(
            x=alt.X("capacity:Q", title="files kept for each container", scale=kept, axis=marked),
            y=alt.Y("share:Q", title=None, axis=alt.Axis(format="%"), scale=shares),
            color=alt.Color(
                "line:N",
                title=None,
                scale=alt.Scale(domain=list(_LINES), range=[style.found, style.missed]),
                legend=alt.Legend(orient="top", columns=1),
            ),
            tooltip=[
                "line:N",
                alt.Tooltip("capacity:Q", format=","),
                alt.Tooltip("share:Q", format=".1%"),
                alt.Tooltip("evictions:Q", format=","),
            ],
        )
        .properties(width=style.width, height=200)
    )
    return chart


def _up_to(most: int) -> list[int]:
    """Bounds from 1 to ``most``, each about the same multiple of the one before."""
    steps = range(_POINTS)
    return sorted({round(most ** (step / (_POINTS - 1))) for step in steps})


def _points(row: dict[str, Any], unbounded: dict[str, Any]) -> list[dict[str, Any]]:
    shares = (
        row["hits"] / (row["hits"] + row["misses"]),
        row["files"] / unbounded["files"],
    )
    return [
        {
            "line": line,
            "share": share,
            "capacity": row["capacity"],
            "evictions": row["evictions"],
        }
        for line, share in zip(_LINES, shares, strict=True)
    ]
