# SPDX-License-Identifier: Apache-2.0
"""Tiles of a treemap, drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import altair as alt

from snoop_analysis.plotting.style import Picture, Style
from snoop_analysis.plotting.treemap import Tile

_LETTER: Final = 6.2  # pixels, of the font's average at 11 pixels
_SIZE: Final = 11
_LINE: Final = 14
_MARGIN: Final = 5


def area(tile: Tile, name: str, number: str, width: int, height: int) -> dict[str, object]:
    """Where a tile is in a picture of this size, and what it has room for.

    That is the name's last parts, and under them how much it stands for.
    """
    room = tile.width * width - 2 * _MARGIN
    lines = int((tile.height * height - _MARGIN) / _LINE) if room >= 3 * _LETTER else 0
    words = [_ending(name, int(room / _LETTER)), number]
    return {
        "x": tile.x,
        "x2": tile.x + tile.width,
        "y": tile.y,
        "y2": tile.y + tile.height,
        "words": "\n".join(words[:lines]),
        "room": max(room, 0),
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
        .mark_text(
            align="left",
            baseline="top",
            dx=_MARGIN,
            dy=_MARGIN,
            color=style.on_area,
            fontSize=_SIZE,
            lineBreak="\n",
            lineHeight=_LINE,
            limit=alt.ExprRef("datum.room"),
        )
        .encode(x=x, y=y, text="words:N")
    )
    chart = alt.layer(rectangles, letters, title=title)
    return chart.properties(width=style.width, height=height)


def _ending(name: str, letters: int) -> str:
    """As many of the last parts of a path as ``letters`` have room for; the last one always.

    The files of a directory, ``directory/*``, are one part.
    """
    parts = name.removesuffix("/*").split("/")
    suffix = name[len("/".join(parts)) :]
    while len(parts) > 1 and len("/".join(parts) + suffix) > letters:
        parts.pop(0)
    return "/".join(parts) + suffix
