# SPDX-License-Identifier: Apache-2.0
"""``snoop-analyze compact``: fewer, larger segments."""

import click

from snoop_analysis.terminal import printable

EXAMPLES = """\b
Example:
  snoop-analyze compact capture/
"""


@click.command("compact", epilog=EXAMPLES)
@click.argument("captures", metavar="CAPTURE...", nargs=-1, required=True)
@click.option(
    "--rows",
    type=click.IntRange(min=1),
    default=8_000_000,
    show_default=True,
    metavar="N",
    help="Events in a segment at most.",
)
def command(captures: tuple[str, ...], rows: int) -> None:
    """Merge small segments of sessions that have ended.

    The new segments are written beside the old ones, read back and compared with them, and then
    take their place in one step. Killed, it leaves SESSION.compacting, which is not read; the next
    one removes it. A session that another process is changing is refused.

    A session is left as it is, and why is said, if it has not ended, if its segments are large
    enough, or if other programs wrote them in ways that do not go together: seq in some of them
    alone, or exact bytes as the path in some and beside it in others.
    """
    from snoop_analysis.compaction import compact

    for sentence in compact(captures, rows):
        print(printable(sentence))
