# SPDX-License-Identifier: Apache-2.0
"""Options and arguments that several commands share."""

from collections.abc import Callable
from typing import Any, Final, TypeVar

import click

from snoop_analysis.profiles import GO_SNOOP, PROFILES

Command = TypeVar("Command", bound=Callable[..., Any])
DEFAULT_EXCLUDE: Final = "/proc/,/sys/,/dev/"


def captures(command: Command) -> Command:
    """The captures to read."""
    return click.argument("captures", metavar="CAPTURE...", nargs=-1, required=True)(command)


def replay_options(command: Command) -> Command:
    """How to replay; ``replay_arguments`` turns them into arguments of ``Capture.replay``."""
    options = [
        click.option(
            "--exclude",
            multiple=True,
            metavar="PREFIX",
            default=[DEFAULT_EXCLUDE],
            show_default=True,
            help='Leave out files whose path starts so; repeat it or use commas, "" for none.',
        ),
        click.option(
            "--max-unique-files",
            type=click.IntRange(min=0),
            metavar="N",
            default=0,
            show_default=True,
            help="Keep the N files used last in each container; 0: all.",
        ),
        click.option(
            "--profile",
            type=click.Choice(list(PROFILES)),
            help=f"Replay as another program did: {GO_SNOOP} takes its "
            f"{len(PROFILES[GO_SNOOP].syscalls)} system calls and its bound of "
            f"{PROFILES[GO_SNOOP].max_unique_files:,} files.",
        ),
    ]
    for option in reversed(options):
        command = option(command)
    return command


def replay_arguments(
    context: click.Context,
    exclude: tuple[str, ...],
    max_unique_files: int,
    profile: str | None,
    **filters: Any,  # since, until, found_only: as they are
) -> dict[str, Any]:
    """Arguments of ``Capture.replay``; what is said on the command line overrides a profile."""
    arguments: dict[str, Any] = {
        "exclude": [prefix for text in exclude for prefix in text.split(",") if prefix],
        "max_unique_files": max_unique_files,
        **filters,
    }
    if profile is None:
        return arguments
    chosen = PROFILES[profile]
    arguments["syscalls"] = chosen.syscalls
    source = context.get_parameter_source("max_unique_files")
    if source is click.core.ParameterSource.DEFAULT:
        arguments["max_unique_files"] = chosen.max_unique_files
    return arguments
