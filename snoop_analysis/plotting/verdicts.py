# SPDX-License-Identifier: Apache-2.0
"""What an image weighs, by the verdict on its files."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import altair as alt

from snoop_analysis.names import shown
from snoop_analysis.plotting.directories import fitting
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
    colours = dict(zip(Verdict, style.areas, strict=False))
    areas = [
        _area(tile, root, colours, style.width) for tile in tiles(whole, style.width / _HEIGHT)
    ]
    data = alt.InlineData(values=areas)
    x = alt.X("x:Q", axis=None, scale=alt.Scale(domain=[0, 1], nice=False))
    y = alt.Y("y:Q", axis=None, scale=alt.Scale(domain=[1, 0], nice=False))
    domain = [one.value for one in Verdict]
    legend = alt.Legend(orient="top", columns=2 if style.width < 400 else 4)
    scale = alt.Scale(domain=domain, range=[colours[one] for one in Verdict])
    rectangles = (
        alt.Chart(data)
        .mark_rect(stroke=style.on_area)
        .encode(
            x=x,
            x2="x2:Q",
            y=y,
            y2="y2:Q",
            color=alt.Color("verdict:N", title=None, scale=scale, legend=legend),
            tooltip=["name:N", "verdict:N", "size:N"],
        )
    )
    letters = (
        alt.Chart(data)
        .mark_text(align="left", baseline="top", dx=5, dy=5, color=style.on_area, fontSize=11)
        .encode(x=x, y=y, text="words:N")
    )
    chart = alt.layer(rectangles, letters, title=title)
    return chart.properties(width=style.width, height=_HEIGHT)


def _area(tile: Tile, root: str, colours: dict[Verdict, str], width: int) -> dict[str, object]:
    """A tile as Vega-Lite takes it; its label begins with the verdict."""
    _, value, *names = tile.label.split("/")
    verdict = Verdict(value)
    name = printable(shown(root + "/".join(names)))
    return {
        "name": name,
        "verdict": verdict.value,
        "size": in_units(tile.files),
        "colour": colours[verdict],
        "x": tile.x,
        "x2": tile.x + tile.width,
        "y": tile.y,
        "y2": tile.y + tile.height,
        "words": fitting(name, tile, width, _HEIGHT),
    }
