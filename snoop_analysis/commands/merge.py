# SPDX-License-Identifier: Apache-2.0
"""``snoop-analyze merge``: one report of several captures or nodes."""

from pathlib import Path
from typing import Any

import click

from snoop_analysis.commands.options import (
    capture_arguments,
    exit_strictly,
    open_capture,
    replay_arguments,
    replay_options,
    strict_option,
)
from snoop_analysis.commands.report import write_report

EXAMPLES = """\b
Example:
  snoop-analyze merge node1/ node2/ --report fleet.json
"""


@click.command("merge", epilog=EXAMPLES)
@capture_arguments
@click.option(
    "--report",
    "report_path",
    type=click.Path(path_type=Path, allow_dash=True),
    metavar="FILE",
    required=True,
    help="Write the JSON report to FILE; - is standard output.",
)
@replay_options
@strict_option
def command(
    captures: tuple[str, ...],
    skip_damaged: bool,
    memory_limit: str,
    report_path: Path,
    strict: bool,
    **settings: Any,
) -> None:
    """Report several captures as one: containers of one image digest become one.

    A session that is there twice counts once: the copy that holds more.
    """
    arguments = replay_arguments(**settings)
    replay = open_capture(captures, skip_damaged, memory_limit, by_image=True).replay(**arguments)
    write_report(replay, report_path)
    exit_strictly(replay, strict)
