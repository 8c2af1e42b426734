# SPDX-License-Identifier: Apache-2.0
"""The options that write something to look at: a page, a picture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from snoop_analysis.commands.options import refuse_standard_output

if TYPE_CHECKING:
    from snoop_analysis.replay import Replay

Command = TypeVar("Command", bound=Callable[..., Any])

# Methods of snoop_analysis.plotting.plots.Plots, which takes long to import.
PICTURES: Final = ("overview", "timeline", "syscalls", "directories", "misses", "lru", "heatmap")


@dataclass(frozen=True, slots=True)
class Looks:
    """What to write; nothing unless it is asked for."""

    page: Path | None = None
    plot: Path | None = None
    picture: str = PICTURES[0]

    def check(self) -> None:
        """Refuse names before any work is done.

        Raises:
            OptionError: the picture's ends with neither .png nor .svg; the page's is ``-``.
        """
        refuse_standard_output("--html", self.page)
        if self.plot:
            from snoop_analysis.plotting.saving import check_name

            check_name(self.plot)

    def write(self, replay: Replay) -> None:
        """Write what was asked for.

        Raises:
            OSError: it cannot be written.
        """
        if self.page:
            from snoop_analysis.html.document import write_page

            write_page(replay, self.page)
        if self.plot:
            from snoop_analysis.plotting.saving import save

            save(getattr(replay.plot, self.picture)(), self.plot)

    @property
    def wanted(self) -> bool:
        """Whether anything was asked for."""
        return bool(self.page or self.plot)


def looks(command: Command) -> Command:
    """Give a command the options; it gets ``Looks`` as ``looks``."""

    @click.option(
        "--html",
        "page",
        type=click.Path(path_type=Path, dir_okay=False),
        metavar="FILE",
        help="Write a report to look at, which is one file and needs no network.",
    )
    @click.option(
        "--plot",
        type=click.Path(path_type=Path, dir_okay=False),
        metavar="FILE",
        help="Write a picture, as PNG or SVG by the name of FILE.",
    )
    @click.option(
        "--picture",
        type=click.Choice(PICTURES),
        help=f"Which picture --plot writes.  [default: {PICTURES[0]}]",
    )
    @wraps(command)
    def with_looks(page: Path | None, plot: Path | None, picture: str | None, **others: Any) -> Any:
        if picture and not plot:
            raise click.UsageError("--picture needs --plot FILE, the picture to write")
        return command(looks=Looks(page, plot, picture or PICTURES[0]), **others)

    return with_looks  # type: ignore[return-value]
