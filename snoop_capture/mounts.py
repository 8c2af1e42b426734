# SPDX-License-Identifier: Apache-2.0
"""What is mounted where: /proc/PID/mountinfo, proc_pid_mountinfo(5)."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

_ESCAPED: Final = re.compile(r"\\([0-7]{3})")


@dataclass(frozen=True, slots=True)
class Mount:
    """One line of mountinfo; the fields have the names of its manual page."""

    mount_point: str
    root: str
    fstype: str
    source: str
    read_only: bool

    def entry(self) -> dict[str, Any]:
        """As it stands in ``session.json``."""
        return {name: getattr(self, name) for name in self.__slots__}


def mounts_of(process: Path) -> list[Mount]:
    """The mounts that a process sees, in the order in which they were made.

    Args:
        process: its directory in /proc.

    Raises:
        OSError: it has ended.
    """
    text = (process / "mountinfo").read_bytes().decode(errors="backslashreplace")
    return [_parse(line) for line in text.split("\n") if line]


def _parse(line: str) -> Mount:
    place, _, file_system = line.partition(" - ")
    _, _, _, root, mount_point, options, *_ = place.split(" ")
    fstype, source, *_ = file_system.split(" ")
    return Mount(
        mount_point=_text(mount_point),
        root=_text(root),
        fstype=fstype,
        source=_text(source),
        read_only="ro" in options.split(","),
    )


def _text(field: str) -> str:
    return _ESCAPED.sub(lambda match: chr(int(match[1], 8)), field)
