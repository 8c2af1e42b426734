# SPDX-License-Identifier: Apache-2.0
"""The text of the BPF program: ``bpf/snoop.c`` with its parts in their places."""

import re
from pathlib import Path
from typing import Final

_MAIN: Final = "snoop.c"
_PART: Final = re.compile(r'#include "(\w+\.h)"')


def bpf_directory() -> Path:
    """``bpf/`` beside the packages in a checkout, inside ``snoop_capture`` when installed."""
    here = Path(__file__).resolve().parent
    return next(d for d in (here / "bpf", here.parent / "bpf") if (d / _MAIN).exists())


def program_text() -> str:
    """What BCC compiles, in one piece: it sees calls of maps and programs in its main file alone.

    Errors of the compiler name the parts and their lines.
    """
    directory = bpf_directory()
    lines = []
    for number, line in enumerate((directory / _MAIN).read_text().splitlines(), 1):
        part = _PART.fullmatch(line)
        if part is None:
            lines.append(line)
            continue
        text = (directory / part[1]).read_text().rstrip("\n")
        lines += [f'#line 1 "{part[1]}"', text, f'#line {number + 1} "{_MAIN}"']
    return "\n".join(lines) + "\n"
