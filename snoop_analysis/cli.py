# SPDX-License-Identifier: Apache-2.0
"""The command ``snoop-analyze``: thin layers over the Python API, imported when run."""

import io
import os
import shlex
import signal
import sys
from importlib import import_module
from itertools import takewhile
from pathlib import Path
from typing import Any, Final

import click

from snoop_analysis.errors import AnalysisError, OptionError

OK: Final = 0
PROBLEM: Final = 1
MISTAKE: Final = 2  # as click has it for what it finds itself
# What a shell says of a program that SIGPIPE ended.
NOBODY_READS: Final = 141

# Each command lives in snoop_analysis/commands/<name>.py as `command`.
COMMANDS: Final = (
    "report",
    "files",
    "sessions",
    "losses",
    "diff",
    "merge",
    "export",
    "lru",
    "verify",
    "compact",
    "tail",
    "unused",
    "startup",
    "misses",
)
DEFAULT: Final = "report"

EXAMPLES: Final = """\b
Examples:
  snoop-analyze capture/
  snoop-analyze capture/ --report report.json
  snoop-analyze capture/ --by syscall --by errno
"""


class DefaultGroup(click.Group):
    """A group whose first argument may be a capture: the command is ``report`` then."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the default command before arguments that begin with no command."""
        if args and args[0] not in (*COMMANDS, "-h", "--help", "--version"):
            _refuse_misspelt(args[0])
            _refuse_late_command(args)
            args = [DEFAULT, *args]
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """All commands, in the order in which the documentation has them."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:  # noqa: ARG002
        """Import a command."""
        if name not in COMMANDS:
            return None
        found: Any = import_module(f"snoop_analysis.commands.{name}").command
        assert isinstance(found, click.Command)
        return found

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; where nobody reads what it prints, end as SIGPIPE ends others."""
        try:
            try:
                return super().invoke(ctx)
            finally:
                sys.stdout.flush()  # what cannot be written is said here, not by the interpreter
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            ctx.exit(NOBODY_READS)

    def format_usage(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Both ways to call it."""
        formatter.write_usage(ctx.command_path, "CAPTURE... [OPTIONS]")
        formatter.write_usage(ctx.command_path, "COMMAND [ARGS]...")

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The options of the default command, then the commands."""
        default = self.get_command(ctx, DEFAULT)
        assert default is not None
        default.format_options(ctx, formatter)
        self.format_commands(ctx, formatter)


@click.group(
    cls=DefaultGroup,
    epilog=EXAMPLES,
    context_settings={"max_content_width": 100, "help_option_names": ["-h", "--help"]},
)
@click.version_option(package_name="snoop-toolkit", prog_name="snoop-analyze")
def cli() -> None:
    """Answer from a recording which files its containers used.

    CAPTURE is a directory that snoop-capture wrote.
    """


def _refuse_misspelt(word: str) -> None:
    """A word that is nearly a command, and no capture, is a misspelt command.

    Raises:
        UsageError: it is.
    """
    from difflib import get_close_matches

    meant = get_close_matches(word, COMMANDS, n=1)
    if meant and word.isalpha() and not Path(word).exists():
        raise click.UsageError(
            f"there is no command and no capture {word!r}; did you mean {meant[0]!r}?"
        )


def _refuse_late_command(args: list[str]) -> None:
    """A command behind a capture, where there is no capture of that name, comes too late.

    Raises:
        UsageError: there is one.
    """
    from snoop_analysis.terminal import printable

    captures = list(takewhile(lambda word: not word.startswith("-"), args))
    late = [word for word in captures if word in COMMANDS and not Path(word).exists()]
    if late:
        others = [word for word in captures if word != late[0]]
        meant = shlex.join(["snoop-analyze", late[0], *others])
        raise click.UsageError(
            f"there is no capture {late[0]!r}; the command comes first: {printable(meant)}"
        )


def main() -> None:
    """Run the command line; bad input ends with one sentence, never with a traceback."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # the caller closed it
            setattr(sys, name, Path(os.devnull).open("w"))  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal may not know every letter
            stream.reconfigure(errors="backslashreplace")
    received = [signal.SIGINT]

    def end(number: int, _: object) -> None:
        received[0] = signal.Signals(number)
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, end)  # so that no temporary files are left
    try:
        status = cli.main(standalone_mode=False)
    except click.exceptions.Exit as ended:
        status = ended.exit_code
    except click.ClickException as error:
        error.show()
        status = error.exit_code
    except (click.Abort, KeyboardInterrupt):
        status = 128 + received[0]
    except (AnalysisError, OSError) as error:
        from snoop_analysis.terminal import printable

        print(f"snoop-analyze: {printable(_sentence(error))}", file=sys.stderr)
        status = MISTAKE if isinstance(error, OptionError) else PROBLEM
    sys.exit(status if isinstance(status, int) else OK)


def _sentence(error: Exception) -> str:
    if isinstance(error, OSError) and error.filename:
        return f"cannot use {error.filename}: {error.strerror}"
    return getattr(error, "strerror", None) or str(error)
