# SPDX-License-Identifier: Apache-2.0
"""``snoop-analyze export``: events or files for other programs."""

import sys
from pathlib import Path
from typing import Any

import click

from snoop_analysis.commands.options import (
    capture_arguments,
    open_capture,
    replay_arguments,
    replay_options,
    warn_of,
)

EXAMPLES = """\b
Examples:
  snoop-analyze export capture/ --to slim -o include-paths.txt
  snoop-analyze export capture/ --to parquet -o events.parquet

The list for slim goes to: slim build --include-path-file include-paths.txt IMAGE
"""


@click.command("export", epilog=EXAMPLES)
@capture_arguments
@click.option(
    "--to",
    "kind",
    type=click.Choice(["csv", "json", "parquet", "slim"]),
    required=True,
    help="All events with their result as CSV, JSON (one object a line) or Parquet; or the "
    "files found, as slim takes them.",
)
@click.option(
    "-o",
    "--output",
    "path",
    type=click.Path(path_type=Path, dir_okay=False, allow_dash=True),
    required=True,
    metavar="FILE",
    help="Write FILE, which is there whole or not at all; - is standard output.",
)
@replay_options
def command(
    captures: tuple[str, ...],
    skip_damaged: bool,
    memory_limit: str,
    kind: str,
    path: Path,
    **settings: Any,
) -> None:
    """Write events with their results, or the files to keep, for other programs.

    Events of segments that were removed to save space are in no export; files known from their
    summary are in the list for slim.
    """
    from snoop_analysis.exporting import export
    from snoop_analysis.replacing import STANDARD_OUTPUT

    if str(path) == "-":
        if sys.stdout.isatty():
            raise click.UsageError("names stand in it as they are: not for a terminal")
        path = STANDARD_OUTPUT
    arguments = replay_arguments(**settings)
    replay = open_capture(captures, skip_damaged, memory_limit).replay(**arguments)
    warn_of(replay, events_alone=kind != "slim")
    for sentence in export(replay, kind, path):
        print(sentence, file=sys.stderr)
