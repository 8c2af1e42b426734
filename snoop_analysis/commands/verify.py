# SPDX-License-Identifier: Apache-2.0
"""``snoop-analyze verify``: is every segment whole and every event there?"""

import click

from snoop_analysis.cli import PROBLEM
from snoop_analysis.commands.output import Output, listing

EXAMPLES = """\b
Example:
  snoop-analyze verify capture/
"""


@click.command("verify", epilog=EXAMPLES)
@click.argument("captures", metavar="CAPTURE...", nargs=-1, required=True)
@listing
def command(captures: tuple[str, ...], output: Output) -> None:
    """Read every segment to its end; check checksums, counts and sequence; 1 if one is wrong."""
    from snoop_analysis.verification import verify

    checked, sound = verify(captures)
    output.print(checked)
    if not sound:
        click.get_current_context().exit(PROBLEM)
