# SPDX-License-Identifier: Apache-2.0
"""Prints docs/cli.md from the commands' own help: python docs/generate_cli.py > docs/cli.md."""

import click

from snoop_analysis.cli import cli as analyze
from snoop_capture.cli import cli as capture

HEAD = """# Commands and options

Made from `--help` with `python docs/generate_cli.py > docs/cli.md`; a test compares the two.

[snoop-capture](#the-recorder), [snoop-analyze](#the-replayer)
"""

CAPTURE = """# The recorder

Records. What records until it is stopped (`pod`, `container`, `cgroup`) takes each setting from the
first of these that has it: its option, its environment variable, the file that `--config` names
(YAML; its keys are the options' names without the dashes). `--print-config` shows what is in effect
and where it comes from; what it prints can be such a file. All that is wrong is said at once;
unknown keys are errors, unknown variables `SNOOP_…` a warning, for Kubernetes sets such, too.

| values | |
|---|---|
| sizes | bytes, or with K, M, G, T for powers of 1024: `16M` |
| times | seconds, or with ms, s, m, h, d: `0.5`, `15m`, `7d` |
| `none` | no such limit, where that is the default |

| exit code | |
|---|---|
| 0 | done: it was told to stop, or what it recorded was removed; losses are in the last line |
| COMMAND's | `run`, with 128 + the signal that ended COMMAND ([recording.md](recording.md)) |
| 1 | recording is not possible, or ended early; `run`: the disk did not take all. It says why |
| 2 | a mistake in the settings or on the command line |
"""

ANALYZE = """# The replayer

| exit code | |
|---|---|
| 0 | done |
| 1 | a problem: no capture, damage, no room; it says which |
| 2 | a mistake on the command line or in `--config`: no such option, key, container or value |
| 3 | with `--strict`: done, but something is known to be missing from the answer |
| 130, 143 | interrupted (SIGINT), or told to end (SIGTERM); outputs are what they were before |
| 141 | nobody reads what is printed any more (`| head`): ended as SIGPIPE ends programs |

Output for people changes with the version; `--json`, `--csv`, `--parquet` and the report are for
programs. Nothing is coloured (so there is nothing for `NO_COLOR` to do), and control characters in
names are shown as escapes; in `--csv` the backslashes of all names are doubled, so that no two look
alike. On a terminal, a query of more than a second shows its progress.

Shell completion: `eval "$(_SNOOP_ANALYZE_COMPLETE=bash_source snoop-analyze)"`, or `zsh_source`,
`fish_source`.
"""


def help_text(program: str, command: click.Group, *names: str) -> str:
    """What ``PROGRAM NAMES --help`` prints, 100 columns wide."""
    context = click.Context(command, info_name=program, terminal_width=100)
    found: click.Command = command
    for name in names:
        subcommand = command.get_command(context, name)
        assert subcommand is not None
        found = subcommand
        context = click.Context(found, parent=context, info_name=name, terminal_width=100)
    return found.get_help(context)


def sections(program: str, command: click.Group) -> list[str]:
    """A section for the program, and one for each of its commands."""
    names = command.list_commands(click.Context(command))
    written = [f"## {program}\n", f"```\n{help_text(program, command)}\n```\n"]
    for name in names:
        written += [f"## {program} {name}\n", f"```\n{help_text(program, command, name)}\n```\n"]
    return written


def page() -> str:
    """The page."""
    recorder = [CAPTURE, *sections("snoop-capture", capture)]
    return "\n".join([HEAD, *recorder, ANALYZE, *sections("snoop-analyze", analyze)])


if __name__ == "__main__":
    print(page(), end="")
