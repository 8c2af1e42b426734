# SPDX-License-Identifier: Apache-2.0
"""Where the files are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import altair as alt

from snoop_analysis.names import name_of, shown
from snoop_analysis.plotting.areas import area, areas
from snoop_analysis.plotting.style import Picture, Style, empty
from snoop_analysis.plotting.treemap import Directory, Tile, tiles, tree
from snoop_analysis.sqltext import statement
from snoop_analysis.terminal import printable

if TYPE_CHECKING:
    from snoop_analysis.replay import Replay

_LEVELS: Final = 8


def directories(replay: Replay, style: Style, under: str = "/") -> Picture:
    """A treemap of the files asked for: the more in a directory, the larger its area.

    Args:
        replay: whose files.
        style: how it looks.
        under: show this directory alone.
    """
    query = statement("directory_files").replace("/* levels */", str(_LEVELS + under.count("/")))
    root = _below(tree(replay.query(query).fetchall()), name_of(under))
    if root is None or not root.files:
        return empty(f"No file under {printable(under)} was asked for.", style)
    height = min(400, max(260, style.width // 2))
    drawn = tiles(root, style.width / height)
    parents = list(dict.fromkeys(tile.parent for tile in drawn))
    colours = {one: style.areas[place % len(style.areas)] for place, one in enumerate(parents)}
    drawn_areas = [_area(tile, colours[tile.parent], style.width, height) for tile in drawn]
    return areas(
        drawn_areas,
        alt.Color("colour:N", scale=None),
        [
            alt.Tooltip("directory:N"),
            alt.Tooltip("files:Q", format=","),
            alt.Tooltip("found:Q", format=","),
        ],
        f"Files asked for under {printable(under)}: {root.files:,}, {root.found:,} found",
        style,
        height,
    )


def _below(root: Directory, name: str) -> Directory | None:
    here: Directory | None = root
    for part in filter(None, name.split("/")):
        here = here.children.get(part) if here else None
    return here


def _area(tile: Tile, colour: str, width: int, height: int) -> dict[str, object]:
    directory = printable(shown(tile.label))
    said = {"directory": directory, "files": tile.files, "found": tile.found, "colour": colour}
    return said | area(tile, directory, f"{tile.files:,}", width, height)
