# SPDX-License-Identifier: Apache-2.0
"""``snoop-analyze lru``: what a bound on the files of a container would cost."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

import click

from snoop_analysis.commands.options import (
    capture_arguments,
    open_capture,
    replay_arguments,
    unbounded_replay_options,
    warn_of,
)
from snoop_analysis.commands.output import Output, listing

if TYPE_CHECKING:
    from snoop_analysis.replay import Replay

MOST: Final = (1 << 63) - 1  # what DuckDB counts with
EXAMPLES = """\b
Examples:
  snoop-analyze lru capture/
  snoop-analyze lru capture/ --capacity 1000 --capacity 100000
"""


@click.command("lru", epilog=EXAMPLES)
@capture_arguments
@click.option(
    "--capacity",
    "capacities",
    type=click.IntRange(min=1, max=MOST),
    multiple=True,
    default=[100, 1000, 10_000, 100_000],
    show_default=True,
    metavar="N",
    help="A bound to look at; repeat it.",
)
@listing
@unbounded_replay_options
def command(
    captures: tuple[str, ...],
    skip_damaged: bool,
    memory_limit: str,
    capacities: tuple[int, ...],
    output: Output,
    **settings: Any,
) -> None:
    """Show for some bounds the hits, misses and evictions, and the files a report would lose."""
    from snoop_analysis.capacities import capacity_table

    arguments = replay_arguments(**settings)
    del arguments["max_unique_files"]
    capture = open_capture(captures, skip_damaged, memory_limit)
    output.print(capacity_table(capture, sorted(set(capacities)), arguments, _warn_of))


def _warn_of(replay: Replay) -> None:
    from snoop_analysis.summary import BOUND_AND_SUMMARY

    warn_of(replay)
    if any(one.summary for one in replay.capture.sessions_found):
        print(f"! {BOUND_AND_SUMMARY}", file=sys.stderr)
