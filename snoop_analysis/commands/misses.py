# SPDX-License-Identifier: Apache-2.0
"""``snoop-analyze misses``: search paths that cost most."""

from typing import Any

import click

from snoop_analysis.commands.options import (
    capture_arguments,
    open_capture,
    replay_arguments,
    replay_options,
    warn_of,
)
from snoop_analysis.commands.output import Output, listing

EXAMPLES = """\b
Examples:
  snoop-analyze misses capture/
  snoop-analyze misses capture/ --container web --csv > misses.csv
"""


@click.command("misses", epilog=EXAMPLES)
@capture_arguments
@listing
@replay_options
def command(
    captures: tuple[str, ...],
    skip_damaged: bool,
    memory_limit: str,
    output: Output,
    **settings: Any,
) -> None:
    """List failing lookups by program and directory, and what to set to avoid them."""
    from snoop_analysis.lookups import failed_lookups

    arguments = replay_arguments(**settings)
    replay = open_capture(captures, skip_damaged, memory_limit).replay(**arguments)
    warn_of(replay)
    output.print(failed_lookups(replay))
