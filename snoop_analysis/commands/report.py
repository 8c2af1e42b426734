# SPDX-License-Identifier: Apache-2.0
"""``snoop-analyze CAPTURE``: the report, a table, or a breakdown."""

from __future__ import annotations

import re
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import click

from snoop_analysis.commands.looks import Looks, looks
from snoop_analysis.commands.options import (
    capture_arguments,
    exit_strictly,
    one_round,
    open_capture,
    replay_arguments,
    replay_options,
    strict_option,
    warn_of,
)
from snoop_analysis.commands.output import Output, listing
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
  snoop-analyze capture/ --html report.html --plot overview.png
  snoop-analyze capture/ --by syscall --json
  snoop-analyze capture/ --exclude /proc/,/tmp/ --max-unique-files 1000
  snoop-analyze capture/ --report report.json --watch 30s
"""
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600}
_LONGEST = 3600 * 24 * 365


class Duration(click.ParamType[float]):
    """``30s``, ``5m``, ``1h``; seconds without a letter."""

    name = "duration"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Seconds."""
        if isinstance(value, int | float):
            return float(value)
        match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh]?)", str(value))
        if not match or not float(match[1]):
            self.fail(f"{value!r} is no duration; write it as 30s, 5m or 1h", param, ctx)
        seconds = float(match[1]) * _SECONDS[match[2]]
        if seconds > _LONGEST:
            self.fail(f"{value!r} is too long; {_LONGEST / 3600:,.0f}h are the most", param, ctx)
        return seconds


@click.command("report", epilog=EXAMPLES)
@capture_arguments
@click.option(
    "--report",
    "report_path",
    type=click.Path(path_type=Path, allow_dash=True),
    metavar="FILE",
    help="Write the JSON report to FILE (- is standard output) and print a summary, or what --by, "
    "--csv, --json or --parquet ask for.",
)
@click.option(
    "--by",
    "keys",
    multiple=True,
    metavar="KEY",
    help="Print counts by syscall, process, program, container, directory[:DEPTH], file, result, "
    "errno, extension, hour, user or note; repeat it to combine keys.",
)
@click.option(
    "--watch",
    type=Duration(),
    metavar="TIME",
    help="Keep the report current, every TIME (30s, 5m), until interrupted; needs --report.",
)
@looks
@listing
@replay_options
@strict_option
def command(
    captures: tuple[str, ...],
    skip_damaged: bool,
    memory_limit: str,
    report_path: Path | None,
    keys: tuple[str, ...],
    watch: float | None,
    looks: Looks,
    output: Output,
    strict: bool,
    **settings: Any,
) -> None:
    """Replay captures and report the files each container used."""
    from snoop_analysis.replacing import check_outputs  # imports pyarrow

    arguments = replay_arguments(**settings)
    lists = bool(keys) or output != Output()
    _check(report_path, watch, lists and output.prints, lists or looks.wanted or strict)
    if watch and report_path is not None:
        _watch(captures, skip_damaged, memory_limit, report_path, watch, arguments)
        return
    looks.check()
    to_file = None if report_path is None or _is_standard_output(report_path) else report_path
    check_outputs([to_file, looks.page, looks.plot, output.file])
    replay = open_capture(captures, skip_damaged, memory_limit).replay(**arguments)
    looks.write(replay)
    if report_path is not None and lists:
        _put(replay.report(), report_path)
    if keys or (lists and output != Output(as_json=True)):
        warn_of(replay)
    if keys:
        names = [name for key in keys for name in key.split(",")]
        output.print(replay.breakdown(*names), {name: _without(name) for name in names})
    elif output == Output(as_json=True):
        replay.report().print_to(sys.stdout)
    elif output != Output():
        output.print(replay.query(statement("listing")))
    elif report_path is not None:
        write_report(replay, report_path)
    elif looks.wanted:
        print_summary(replay, replay.report(), sys.stdout)
    else:
        print_summary(replay, replay.report(), sys.stdout)
        print()
        output.print(replay.query(statement("listing")))
    exit_strictly(replay, strict)


def _check(report_path: Path | None, watch: float | None, prints: bool, wants_more: bool) -> None:
    """Refuse options that exclude each other.

    Args:
        report_path: where the report goes.
        watch: how often.
        prints: whether a listing goes to standard output.
        wants_more: whether anything but a report is asked for.

    Raises:
        UsageError: they do.
    """
    if watch and (report_path is None or _is_standard_output(report_path)):
        raise click.UsageError("--watch needs --report FILE, the report to keep current")
    if watch and wants_more:
        raise click.UsageError(
            "--watch keeps a report current; it takes no --html, --plot, --by, --csv, --json, "
            "--parquet or --strict"
        )
    if prints and report_path is not None and _is_standard_output(report_path):
        raise click.UsageError(
            "the report and a listing cannot both go to standard output: write one to a file"
        )


def _is_standard_output(path: Path) -> bool:
    return path == Path("-")


def _without(key: str) -> str:
    """What stands in a breakdown for events that have no value for a key."""
    return "(no path)" if key.partition(":")[0] in ("file", "directory") else "(none)"


def _watch(
    captures: tuple[str, ...],
    skip_damaged: bool,
    memory_limit: str,
    path: Path,
    interval: float,
    arguments: dict[str, Any],
) -> None:
    """Keep the report at ``path`` current; each round replays new events alone.

    Where they do not follow on what was replayed (segments were removed before they were read, or
    can be read now), a round replays everything.
    """
    from snoop_analysis.state import State, obstacle

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    state: State | None = None
    try:
        while True:
            with one_round():
                capture = open_capture(captures, skip_damaged, memory_limit)
                if state and obstacle(state, capture):
                    state = None
                replay = capture.replay(**arguments, state=state)
                report = replay.report()
                state = replay.state
                report.write(path)
                print(f"{report.last_updated_at}  {summary(report)[-1]}", flush=True)
            time.sleep(interval)
    except KeyboardInterrupt:
        return


def write_report(replay: Replay, path: Path) -> None:
    """Write the report and print the summary, to wherever the report does not go."""
    report = replay.report()
    _put(report, path)
    print_summary(replay, report, sys.stderr if _is_standard_output(path) else sys.stdout)


def _put(report: Report, path: Path) -> None:
    if _is_standard_output(path):
        report.print_to(sys.stdout)
    else:
        report.write(path)


def print_summary(replay: Replay, report: Report, file: TextIO) -> None:
    """Print the summary and the directories with most files."""
    for line in summary(report):
        print(line, file=file)
    top = replay.query(statement("top_directories")).fetchall()
    for directory, files, _ in top:
        print(f"{files:>9,} in {printable(shown(directory))}", file=file)
