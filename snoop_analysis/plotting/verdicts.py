# SPDX-License-Identifier: Apache-2.0
"""What an image weighs, by the verdict on its files."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import altair as alt

from snoop_analysis.names import shown
from snoop_analysis.plotting.areas import area, areas
from snoop_analysis.plotting.style import Picture, Style, empty
from snoop_analysis.plotting.treemap import Tile, tiles, tree
from snoop_analysis.terminal import printable
from snoop_analysis.totals import in_units
from snoop_analysis.verdict import Verdict

_HEIGHT: Final = 380


def verdicts(
    weights: Iterable[tuple[Verdict, list[str], int]], style: Style, title: str, root: str = "/"
) -> Picture:
    """A treemap: an area for each verdict, divided into what the files belong to.

    Args:
        weights: a verdict, the names on the way to what has it (directories, or a package), and
            the bytes directly in it.
        style: how it looks.
        title: what stands above it.
        root: what names begin with.
    """
    whole = tree(([verdict.value, *names], weight, 0) for verdict, names, weight in weights)
    if not whole.files:
        return empty("The image has no bytes.", style)
    drawn = [_area(tile, root, style.width) for tile in tiles(whole, style.width / _HEIGHT)]
    scale = alt.Scale(
        domain=[one.value for one in Verdict], range=list(style.areas[: len(Verdict)])
    )
    legend = alt.Legend(orient="top", columns=2 if style.width < 400 else 4)
    return areas(
        drawn,
        alt.Color("verdict:N", title=None, scale=scale, legend=legend),
        [alt.Tooltip("name:N"), alt.Tooltip("verdict:N"), alt.Tooltip("size:N")],
        title,
        style,
        _HEIGHT,
    )


def _area(tile: Tile, root: str, width: int) -> dict[str, object]:
    """A tile as Vega-Lite takes it; its label begins with the verdict."""
    _, verdict, *names = tile.label.split("/")
    name = printable(shown(root + "/".join(names)))
    said = {"name": name, "verdict": verdict, "size": in_units(tile.files)}
    return said | area(tile, name, said["size"], width, _HEIGHT)
