# SPDX-License-Identifier: Apache-2.0
"""``snoop-analyze files``: every file and how it was used."""

import sys
from typing import Any

import click

from snoop_analysis.commands.options import (
    capture_arguments,
    check_image_options,
    open_capture,
    optional_image_options,
    replay_arguments,
    replay_options,
    warn_of,
)
from snoop_analysis.commands.output import Output, listing

EXAMPLES = """\b
Examples:
  snoop-analyze files capture/
  snoop-analyze files capture/ --found-only --csv > files.csv
  snoop-analyze files capture/ --image app.tar
"""


@click.command("files", epilog=EXAMPLES)
@capture_arguments
@optional_image_options
@listing
@replay_options
def command(
    captures: tuple[str, ...],
    skip_damaged: bool,
    memory_limit: str,
    image: str | None,
    reference: str | None,
    platform: str | None,
    output: Output,
    **settings: Any,
) -> None:
    """List the files: when they were used, how often, by which system calls.

    With the image, also what the kernel opened by itself (nested #! interpreters, the ELF
    interpreter): files without events, marked as inferred.
    """
    check_image_options(image, reference, platform)
    arguments = replay_arguments(**settings)
    replay = open_capture(captures, skip_damaged, memory_limit).replay(**arguments)
    warn_of(replay)
    if image is None:
        output.print(replay.files)
        return
    from snoop_analysis.image import open_image
    from snoop_analysis.inferred import add_inferred
    from snoop_analysis.replacing import check_outputs
    from snoop_analysis.sqltext import statement
    from snoop_analysis.terminal import printable

    check_outputs([output.file], [image])
    for sentence in add_inferred(replay, open_image(image, reference, platform)):
        print(f"! {printable(sentence)}", file=sys.stderr)
    output.print(replay.query(statement("with_inferred")))
