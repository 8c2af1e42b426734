# SPDX-License-Identifier: Apache-2.0
"""Pictures in the page: drawn when the page is made, in the colours of its style sheet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from markupsafe import Markup

from snoop_analysis.plotting.plots import Plots
from snoop_analysis.plotting.saving import svg
from snoop_analysis.plotting.style import PAGE, Picture

if TYPE_CHECKING:
    from snoop_analysis.replay import Replay

# Widths of the drawing area in pixels: letters keep their size, on a phone too.
_WIDE: Final = 760
_NARROW: Final = 220


@dataclass(frozen=True, slots=True)
class Figure:
    """One picture in two widths, of which the page shows the one that fits; ``label`` says it."""

    label: str
    wide: Markup
    narrow: Markup


def figure(replay: Replay, draw: Callable[[Plots], Picture], label: str) -> Figure:
    """The picture that ``draw`` makes of a replay."""
    wide, narrow = (
        _svg(draw(Plots(replay, PAGE.of_width(width))), label) for width in (_WIDE, _NARROW)
    )
    return Figure(label, wide, narrow)


def _svg(picture: Picture, label: str) -> Markup:
    """The ``svg`` element, named for those who cannot see it.

    It is markup that vl-convert made, which escapes the names in it.
    """
    drawn = svg(picture).removeprefix("<svg ")
    return Markup('<svg role="img" aria-label="{}" ').format(label) + Markup(drawn)
