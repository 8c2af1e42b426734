# SPDX-License-Identifier: Apache-2.0
"""The command line of the recorder."""

import math
import re
import sys
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import click

from snoop_capture.errors import CaptureError
from snoop_capture.memory import refuse_pandas

_UNITS: Final = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
_SIZE: Final = re.compile(r"\s*([0-9]+)([KMG]?)(?:I?B)?\s*")
_PROBLEM: Final = 1


class Size(click.ParamType[int]):
    """A number of bytes, with K, M or G for powers of 1024."""

    name = "size"

    def convert(
        self, value: str | int, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """``"16M"`` → 16777216."""
        if isinstance(value, int):
            return value
        size = _SIZE.fullmatch(value.upper())
        if size is None:
            self.fail(
                f"{value!r} is not a size; give bytes, or for example 512K, 16M, 1G", param, ctx
            )
        return int(size[1]) * _UNITS[size[2]]


class Seconds(click.FloatRange):
    """A time in seconds within bounds; click's range lets ``nan`` through."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """``"0.5"`` → 0.5."""
        seconds = float(super().convert(value, param, ctx))
        if math.isnan(seconds):
            self.fail(f"{value!r} is not a number of seconds", param, ctx)
        return seconds


@click.group(
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="\b\nExample:\n"
    "  snoop-capture run -o capture -- python3 -c 'import json'\n"
    "  snoop-analyze capture",
)
@click.version_option(package_name="snoop-toolkit", prog_name="snoop-capture")
def cli() -> None:
    """Record which files a program uses."""


# Options end where the command begins: what follows is the command's, also without "--".
@cli.command(
    context_settings={"allow_interspersed_args": False},
    epilog="\b\nExample:\n  snoop-capture run -o capture -- tar -czf /tmp/etc.tar.gz /etc",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    help="Capture directory.  [default: capture-DATE-TIME]",
)
@click.option("--force", is_flag=True, help="Replace the capture in the directory.")
@click.option(
    "--ring-buffer-size",
    type=Size(),
    default="16M",
    show_default=True,
    help="Memory between kernel and recorder, for all CPUs together.",
)
@click.option(
    "--flush-interval",
    type=Seconds(0.01, 60),
    default=1.0,
    show_default=True,
    help="Seconds after which events are on disk at the latest.",
)
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED, metavar="-- COMMAND...")
def run(
    output: Path | None,
    force: bool,
    ring_buffer_size: int,
    flush_interval: float,
    command: tuple[str, ...],
) -> None:
    """Record COMMAND and everything it starts, from its first file to its last.

    Exits with COMMAND's exit code; 127 if there is no such command, 126 if it cannot be executed.
    """
    from snoop_capture.clients import warning
    from snoop_capture.run import run as record

    if said := warning(command):
        click.echo(f"snoop-capture: {said}", err=True)
    capture = output or Path(datetime.now().strftime("capture-%Y%m%d-%H%M%S"))
    outcome = record(
        command, capture, force=force, ring_bytes=ring_buffer_size, flush=flush_interval
    )
    click.echo(f"snoop-capture: {outcome}", err=True)
    sys.exit(outcome.code)


@cli.command(
    epilog="\b\nExample:\n  snoop-capture check -o /var/lib/snoop",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    default=".",
    help="Where captures shall go: is it writable, how much space is there?",
)
@click.option("--pod", is_flag=True, help="Look for the own pod, too.")
def check(output: Path, pod: bool) -> None:
    """Say what this machine offers for recording, and what to do about what it lacks.

    Exits with 0 only if recording would work: an event was seen.
    """
    from snoop_capture.check import NO, findings

    possible = True
    for finding in findings(output, pod):
        click.echo(str(finding))
        possible &= finding.state != NO
    sys.exit(0 if possible else _PROBLEM)


def main() -> None:
    """Entry point; prints what stops a recording as one sentence."""
    refuse_pandas()
    try:
        cli()
    except CaptureError as error:
        click.echo(f"snoop-capture: {error}", err=True)
        sys.exit(getattr(error, "code", _PROBLEM))
