# SPDX-License-Identifier: Apache-2.0
"""The pictures of a replay."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import altair as alt

from snoop_analysis.plotting.directories import directories
from snoop_analysis.plotting.heatmap import heatmap
from snoop_analysis.plotting.lru import lru
from snoop_analysis.plotting.misses import misses
from snoop_analysis.plotting.notebook import show_in_notebooks
from snoop_analysis.plotting.style import NOTEBOOK, Picture, Style, styled
from snoop_analysis.plotting.syscalls import syscalls
from snoop_analysis.plotting.timeline import timeline

if TYPE_CHECKING:
    from snoop_analysis.replay import Replay
    from snoop_analysis.verdict import Verdict


class Plots:
    """The pictures of a replay: Vega-Altair charts.

    JupyterLab shows them with tooltips, zoom and filters; ``chart.save("out.svg")`` or
    ``--plot out.svg`` makes files of them. Nothing of it needs a network.

    Args:
        replay: what they show.
        style: how they look.
    """

    def __init__(self, replay: Replay, style: Style = NOTEBOOK) -> None:
        self._replay = replay
        self._style = style
        show_in_notebooks()

    def timeline(self) -> Picture:
        """Calls over time: those that found a file, that missed, that have no result."""
        return styled(timeline(self._replay, self._style), self._style)

    def syscalls(self) -> Picture:
        """Calls by system call."""
        return styled(syscalls(self._replay, self._style), self._style)

    def verdicts(
        self, weights: Iterable[tuple[Verdict, list[str], int]], title: str, root: str = "/"
    ) -> Picture:
        """A treemap of an image's bytes, coloured by verdict; see ``plotting.verdicts``."""
        from snoop_analysis.plotting.verdicts import verdicts

        return styled(verdicts(weights, self._style, title, root), self._style)

    def directories(self, under: str = "/") -> Picture:
        """A treemap of the files asked for, by directory; of those under one directory alone."""
        return styled(directories(self._replay, self._style, under), self._style)

    def misses(self) -> Picture:
        """The directories with most failed calls, by error."""
        return styled(misses(self._replay, self._style), self._style)

    def lru(self, capacities: Sequence[int] | None = None) -> Picture:
        """What a bound on the files of a container would cost; replays once for each bound."""
        return styled(lru(self._replay, self._style, capacities), self._style)

    def heatmap(self) -> Picture:
        """Calls by container and time."""
        return styled(heatmap(self._replay, self._style), self._style)

    def overview(self) -> Picture:
        """Timeline, system calls, directories and misses, one under the other."""
        drawn = (timeline, syscalls, directories, misses)
        parts = [draw(self._replay, self._style) for draw in drawn]
        stacked = alt.vconcat(*parts).resolve_scale(color="independent")
        return styled(stacked, self._style)
