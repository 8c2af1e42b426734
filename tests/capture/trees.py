# SPDX-License-Identifier: Apache-2.0
"""Cgroups made for a test, and commands run in them."""

from pathlib import Path

_ENTER = 'echo $$ > "$0/cgroup.procs" && exec "$@"'


def made(directory: Path) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    return directory


def inside(cgroup: Path, *command: str) -> list[str]:
    """A command that is run in a cgroup."""
    return ["sh", "-c", _ENTER, str(cgroup), *command]
