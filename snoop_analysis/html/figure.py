# SPDX-License-Identifier: Apache-2.0
"""Pictures in the page: drawn when the page is made, in the colours of its style sheet."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from markupsafe import Markup

from snoop_analysis.plotting.plots import Plots
from snoop_analysis.plotting.saving import svg
from snoop_analysis.plotting.style import PAGE, Picture

if TYPE_CHECKING:
    from snoop_analysis.replay import Replay

# Widths in pixels of a phone, a tablet, the whole page; letters have one size in all of them.
_WIDTHS: Final = {"narrow": 343, "middle": 704, "wide": 1088}


@dataclass(frozen=True, slots=True)
class Figure:
    """One picture in several widths by name, of which the page shows the one that fits."""

    drawn: Mapping[str, Markup]


def figure(replay: Replay, draw: Callable[[Plots], Picture], label: str) -> Figure:
    """The picture that ``draw`` makes of a replay; ``label`` says what it shows."""
    return Figure(
        {
            name: _svg(draw(Plots(replay, PAGE.of_width(width))), label)
            for name, width in _WIDTHS.items()
        }
    )


def _svg(picture: Picture, label: str) -> Markup:
    """The ``svg`` element, named for those who cannot see it.

    It is markup that vl-convert made, which escapes the names in it.
    """
    drawn = svg(picture).removeprefix("<svg ")
    return Markup('<svg role="img" aria-label="{}" ').format(label) + Markup(drawn)
