# SPDX-License-Identifier: Apache-2.0
"""``snoop-analyze CAPTURE``: the report, a table, or a breakdown."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from snoop_analysis.commands.options import captures, replay_arguments, replay_options
from snoop_analysis.commands.output import print_relation
from snoop_analysis.names import shown
from snoop_analysis.sqltext import statement
from snoop_analysis.summary import summary
from snoop_analysis.terminal import printable

if TYPE_CHECKING:
    from snoop_analysis.replay import Replay
    from snoop_analysis.report import Report

EXAMPLES = """\b
Examples:
  snoop-analyze capture/ --report report.json
  snoop-analyze capture/ --by syscall --json
  snoop-analyze capture/ --exclude /proc/,/tmp/ --max-unique-files 1000
"""


@click.command("report", epilog=EXAMPLES)
@captures
@click.option(
    "--report",
    "report_path",
    type=click.Path(path_type=Path, allow_dash=True),
    metavar="FILE",
    help="Write the JSON report to FILE (- is standard output) and print a summary.",
)
@click.option(
    "--by",
    "keys",
    multiple=True,
    metavar="KEY",
    help="Print counts by syscall, process, program, container, directory[:DEPTH], file, result, "
    "errno, extension, hour, user or note; repeat it to combine keys.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
@replay_options
@click.pass_context
def command(
    context: click.Context,
    /,
    captures: tuple[str, ...],
    report_path: Path | None,
    keys: tuple[str, ...],
    as_json: bool,
    **settings: Any,
) -> None:
    """Replay captures and report the files each container used."""
    from snoop_analysis.capture import Capture

    replay = Capture(*captures).replay(**replay_arguments(context, **settings))
    if keys:
        names = [name for key in keys for name in key.split(",")]
        print_relation(replay.breakdown(*names), as_json)
    elif report_path is not None:
        _write(replay, report_path)
    elif as_json:
        replay.report().print_to(sys.stdout)
    else:
        _print_summary(replay, replay.report(), sys.stdout)
        print()
        print_relation(replay.query(statement("listing")), as_json)


def _write(replay: Replay, path: Path) -> None:
    report = replay.report()
    if str(path) == "-":
        report.print_to(sys.stdout)
        _print_summary(replay, report, sys.stderr)
    else:
        report.write(path)
        _print_summary(replay, report, sys.stdout)


def _print_summary(replay: Replay, report: Report, file: TextIO) -> None:
    for line in summary(report):
        print(line, file=file)
    top = replay.query(statement("top_directories")).fetchall()
    for directory, files, _ in top:
        print(f"{files:>9,} in {printable(shown(directory))}", file=file)
