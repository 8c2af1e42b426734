# SPDX-License-Identifier: Apache-2.0
"""Where the files are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import altair as alt

from snoop_analysis.names import name_of, shown
from snoop_analysis.plotting.style import Picture, Style, empty
from snoop_analysis.plotting.treemap import Directory, Tile, tiles, tree
from snoop_analysis.sqltext import statement
from snoop_analysis.terminal import printable

if TYPE_CHECKING:
    from snoop_analysis.replay import Replay

_LEVELS: Final = 8
_LETTER: Final = 6.2  # pixels, of the font's average at 11 pixels
_LINE: Final = 16


def directories(replay: Replay, style: Style, under: str = "/") -> Picture:
    """A treemap of the files used: an area for each directory, as large as its number of files.

    Args:
        replay: whose files.
        style: how it looks.
        under: show this directory alone.
    """
    query = statement("directory_files").replace("/* levels */", str(_LEVELS + under.count("/")))
    root = _below(tree(replay.query(query).fetchall()), name_of(under))
    if root is None or not root.files:
        return empty(f"No file under {printable(under)} was used.", style)
    height = min(400, max(260, style.width // 2))
    drawn = tiles(root, style.width / height)
    parents = list(dict.fromkeys(tile.parent for tile in drawn))
    colours = {one: style.areas[place % len(style.areas)] for place, one in enumerate(parents)}
    areas = [_area(tile, colours[tile.parent], style.width, height) for tile in drawn]
    data = alt.InlineData(values=areas)
    x = alt.X("x:Q", axis=None, scale=alt.Scale(domain=[0, 1], nice=False))
    y = alt.Y("y:Q", axis=None, scale=alt.Scale(domain=[1, 0], nice=False))
    rectangles = (
        alt.Chart(data)
        .mark_rect(stroke=style.on_area)
        .encode(
            x=x,
            x2="x2:Q",
            y=y,
            y2="y2:Q",
            color=alt.Color("colour:N", scale=None),
            tooltip=["directory:N", alt.Tooltip("files:Q", format=","), "found:Q"],
        )
    )
    letters = (
        alt.Chart(data)
        .mark_text(align="left", baseline="top", dx=5, dy=5, color=style.on_area, fontSize=11)
        .encode(x=x, y=y, text="words:N")
    )
    title = f"Files used under {printable(under)}: {root.files:,}"
    chart = alt.layer(rectangles, letters, title=title)
    return chart.properties(width=style.width, height=height)


def _below(root: Directory, name: str) -> Directory | None:
    here: Directory | None = root
    for part in filter(None, name.split("/")):
        here = here.children.get(part) if here else None
    return here


def _area(tile: Tile, colour: str, width: int, height: int) -> dict[str, object]:
    directory = printable(shown(tile.label))
    return {
        "directory": directory,
        "files": tile.files,
        "found": tile.found,
        "colour": colour,
        "x": tile.x,
        "x2": tile.x + tile.width,
        "y": tile.y,
        "y2": tile.y + tile.height,
        "words": fitting(directory, tile, width, height),
    }


def fitting(directory: str, tile: Tile, width: int, height: int) -> str:
    """As much of the end of a directory's name as its tile has room for."""
    letters = int((tile.width * width - 10) / _LETTER)
    if tile.height * height < _LINE + 4 or letters < 3:
        return ""
    return directory if len(directory) <= letters else "…" + directory[1 - letters :]
