# SPDX-License-Identifier: Apache-2.0
"""``snoop-analyze diff``: which files only one of two captures used."""

from typing import Any

import click

from snoop_analysis.commands.options import (
    capture_options,
    open_capture,
    replay_arguments,
    replay_options,
    warn_of,
)
from snoop_analysis.commands.output import Output, listing
from snoop_analysis.terminal import printable

EXAMPLES = """\b
Examples:
  snoop-analyze diff before/ after/
  snoop-analyze diff before/ after/ --found-only --json
"""


@click.command("diff", epilog=EXAMPLES)
@click.argument("first", metavar="A")
@click.argument("second", metavar="B")
@capture_options
@listing
@replay_options
def command(
    first: str,
    second: str,
    skip_damaged: bool,
    memory_limit: str,
    output: Output,
    **settings: Any,
) -> None:
    """Compare the files of captures A and B: only in A, only in B, in both."""
    from snoop_analysis.comparison import difference

    arguments = replay_arguments(**settings)
    replays = [
        open_capture((path,), skip_damaged, memory_limit).replay(**arguments)
        for path in (first, second)
    ]
    for path, replay in zip((first, second), replays, strict=True):
        warn_of(replay, f"{printable(path)}: ")
    output.print(difference(*replays))
