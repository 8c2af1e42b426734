# SPDX-License-Identifier: Apache-2.0
"""Tiles of a treemap, drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import altair as alt

from snoop_analysis.plotting.style import Picture, Style
from snoop_analysis.plotting.treemap import Tile

_LETTER: Final = 6.2  # pixels, of the font's average at 11 pixels
_LINE: Final = 16


def area(tile: Tile, name: str, width: int, height: int) -> dict[str, object]:
    """Where a tile is in a picture of this size, and as much of ``name`` as it has room for."""
    return {
        "x": tile.x,
        "x2": tile.x + tile.width,
        "y": tile.y,
        "y2": tile.y + tile.height,
        "words": _fitting(name, tile, width, height),
    }


def areas(
    drawn: Sequence[Mapping[str, object]],
    colour: alt.Color,
    tooltip: Sequence[alt.Tooltip],
    title: str,
    style: Style,
    height: int,
) -> Picture:
    """A picture of rectangles with words in them.

    Args:
        drawn: what ``area`` gives for each tile, and what ``colour`` and ``tooltip`` name.
        colour: the encoding of their colours.
        tooltip: what is said of each.
        title: what stands above.
        style: how it looks.
        height: in pixels.
    """
    data = alt.InlineData(values=[dict(one) for one in drawn])
    x = alt.X("x:Q", axis=None, scale=alt.Scale(domain=[0, 1], nice=False))
    y = alt.Y("y:Q", axis=None, scale=alt.Scale(domain=[1, 0], nice=False))
    rectangles = (
        alt.Chart(data)
        .mark_rect(stroke=style.on_area)
        .encode(x=x, x2="x2:Q", y=y, y2="y2:Q", color=colour, tooltip=list(tooltip))
    )
    letters = (
        alt.Chart(data)
        .mark_text(align="left", baseline="top", dx=5, dy=5, color=style.on_area, fontSize=11)
        .encode(x=x, y=y, text="words:N")
    )
    chart = alt.layer(rectangles, letters, title=title)
    return chart.properties(width=style.width, height=height)


def _fitting(name: str, tile: Tile, width: int, height: int) -> str:
    """As much of the end of a name as its tile has room for."""
    letters = int((tile.width * width - 10) / _LETTER)
    if tile.height * height < _LINE + 4 or letters < 3:
        return ""
    return name if len(name) <= letters else "…" + name[1 - letters :]
