# SPDX-License-Identifier: Apache-2.0
"""Prints docs/cli.md from the commands' own help: python docs/generate_cli.py > docs/cli.md."""

import click

from snoop_analysis.cli import COMMANDS, cli

HEAD = """# snoop-analyze

Made from `--help` with `python docs/generate_cli.py > docs/cli.md`; a test compares the two.

| exit code | |
|---|---|
| 0 | done |
| 1 | a problem: no capture, damage, a file that cannot be written; the sentence says which |
| 2 | a mistake on the command line |
| 3 | with `--strict`: done, but something is known to be missing from the answer |

Output for people changes with the version; `--json`, `--csv`, `--parquet` and the report are for
programs. Nothing is coloured (so there is nothing for `NO_COLOR` to do), and control characters in
names are shown as escapes. On a terminal, a query of more than a second shows its progress.

Shell completion: `eval "$(_SNOOP_ANALYZE_COMPLETE=bash_source snoop-analyze)"`, or `zsh_source`,
`fish_source`.
"""


def help_text(*names: str) -> str:
    """What ``snoop-analyze NAMES --help`` prints, 100 columns wide."""
    context = click.Context(cli, info_name="snoop-analyze", terminal_width=100)
    command: click.Command = cli
    for name in names:
        found = cli.get_command(context, name)
        assert found is not None
        command = found
        context = click.Context(command, parent=context, info_name=name, terminal_width=100)
    return command.get_help(context)


def page() -> str:
    """The page."""
    sections = [HEAD, "## snoop-analyze\n", f"```\n{help_text()}\n```\n"]
    for name in COMMANDS:
        sections += [f"## snoop-analyze {name}\n", f"```\n{help_text(name)}\n```\n"]
    return "\n".join(sections)


if __name__ == "__main__":
    print(page(), end="")
