# SPDX-License-Identifier: Apache-2.0
"""``snoop-analyze tail``: follow a growing capture."""

import time
from typing import Final

import click

from snoop_analysis.commands.options import (
    capture_arguments,
    one_round,
    open_capture,
    warn_of_left_out,
)
from snoop_analysis.commands.report import Duration

MOST_LINES: Final = (1 << 63) - 1  # what LIMIT takes
EXAMPLES = """\b
Examples:
  snoop-analyze tail capture/
  snoop-analyze tail capture/ --lines 100 --once
"""


@click.command("tail", epilog=EXAMPLES)
@capture_arguments
@click.option(
    "--lines",
    type=click.IntRange(min=0, max=MOST_LINES),
    default=10,
    show_default=True,
    metavar="N",
    help="Begin with the last N events there are.",
)
@click.option(
    "--interval",
    type=Duration(),
    default="1s",
    show_default=True,
    metavar="TIME",
    help="Look for new events so often.",
)
@click.option("--once", is_flag=True, help="Do not wait for more events.")
def command(
    captures: tuple[str, ...],
    skip_damaged: bool,
    memory_limit: str,
    lines: int,
    interval: float,
    once: bool,
) -> None:
    """Print events as they are recorded, until interrupted."""
    from snoop_analysis.following import new_events

    positions = None
    known: set[str] = set()
    while True:
        with one_round():
            capture = open_capture(captures, skip_damaged, memory_limit)
            warn_of_left_out(one for one in capture.left_out if one not in known)
            known.update(capture.left_out)
            positions, events = new_events(capture, positions, lines)
            for line in events:
                print(line, flush=True)
        if once:
            return
        time.sleep(interval)
