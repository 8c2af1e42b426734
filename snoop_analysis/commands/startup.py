# SPDX-License-Identifier: Apache-2.0
"""``snoop-analyze startup``: what is touched first."""

import sys
from pathlib import Path
from typing import Any

import click

from snoop_analysis.commands.options import (
    capture_arguments,
    check_image_options,
    open_capture,
    optional_image_options,
    refuse_standard_output,
    replay_arguments,
    replay_options,
    warn_of,
)
from snoop_analysis.commands.output import Output, listing
from snoop_analysis.terminal import printable

EXAMPLES = """\b
Examples:
  snoop-analyze startup capture/ --seconds 5
  snoop-analyze startup capture/ --image app.tar --stargz record.json

For lazy pulling: nerdctl image convert --estargz --estargz-record-in=record.json IMAGE NEW
"""


@click.command("startup", epilog=EXAMPLES)
@capture_arguments
@click.option(
    "--seconds",
    type=click.FloatRange(min=0, min_open=True),
    default=10.0,
    show_default=True,
    metavar="N",
    help="Take the first N seconds of each container.",
)
@optional_image_options
@click.option(
    "--stargz",
    "record_path",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write the files of the image in this order, as stargz tools read it; needs --image.",
)
@listing
@replay_options
def command(
    captures: tuple[str, ...],
    skip_damaged: bool,
    memory_limit: str,
    seconds: float,
    image: str | None,
    reference: str | None,
    platform: str | None,
    record_path: Path | None,
    output: Output,
    **settings: Any,
) -> None:
    """List what is touched in the first seconds, in order: a prefetch list."""
    from snoop_analysis.image import open_image
    from snoop_analysis.keeping import write_lines
    from snoop_analysis.startup import begun_before, prefetch, startup

    check_image_options(image, reference, platform)
    if (record_path is None) != (image is None):
        raise click.UsageError("--stargz FILE and --image IMAGE need each other")
    if record_path is not None and output != Output():
        raise click.UsageError("--stargz writes no listing: it takes no --csv, --json or --parquet")
    refuse_standard_output("--stargz", record_path)
    arguments = replay_arguments(**settings)
    replay = open_capture(captures, skip_damaged, memory_limit).replay(**arguments)
    warn_of(replay)
    for name in begun_before(replay):
        sentence = "was running before recording began: what it touched first is not known"
        print(f"! {printable(name)} {sentence}", file=sys.stderr)
    if record_path is not None and image is not None:
        lines = prefetch(replay, seconds, open_image(image, reference, platform))
        write_lines(record_path, lines, image)
        return
    output.print(startup(replay, seconds))
