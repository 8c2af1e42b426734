# SPDX-License-Identifier: Apache-2.0
"""``snoop-analyze files``: every file and how it was used."""

from typing import Any

import click

from snoop_analysis.commands.options import (
    capture_arguments,
    open_capture,
    replay_arguments,
    replay_options,
)
from snoop_analysis.commands.output import Output, listing

EXAMPLES = """\b
Examples:
  snoop-analyze files capture/
  snoop-analyze files capture/ --found-only --csv > files.csv
"""


@click.command("files", epilog=EXAMPLES)
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
    """List the files: when they were used, how often, by which system calls."""
    arguments = replay_arguments(**settings)
    output.print(open_capture(captures, skip_damaged, memory_limit).replay(**arguments).files)
