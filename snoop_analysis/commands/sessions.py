# SPDX-License-Identifier: Apache-2.0
"""``snoop-analyze sessions``."""

import click

from snoop_analysis.commands.options import capture_arguments, open_capture, warn_of_left_out
from snoop_analysis.commands.output import Output, listing

EXAMPLES = """\b
Example:
  snoop-analyze sessions captures/ --json
"""


@click.command("sessions", epilog=EXAMPLES)
@capture_arguments
@listing
def command(
    captures: tuple[str, ...], skip_damaged: bool, memory_limit: str, output: Output
) -> None:
    """List the sessions of captures: who recorded what, and when."""
    capture = open_capture(captures, skip_damaged, memory_limit)
    warn_of_left_out(capture.left_out)
    output.print(capture.sessions)
