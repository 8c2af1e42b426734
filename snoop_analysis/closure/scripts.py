# SPDX-License-Identifier: Apache-2.0
"""``#!``: the interpreter of a script that is executed.

Source: fs/binfmt_script.c of the kernel. An interpreter may itself be a script.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from typing import Final

from snoop_analysis.closure.programs import located
from snoop_analysis.closure.reasons import Need, Subject, Unknown
from snoop_analysis.errors import ImageError
from snoop_analysis.image import Image

# BINPRM_BUF_SIZE: the kernel looks at no more of a program.
_HEAD: Final = 256
_BLANKS: Final = re.compile(rb"[ \t\0]+")


def interpreter(image: Image, subject: Subject) -> Iterator[Need | Unknown]:
    """The program that the first line of an executed script names."""
    words = _first_line(image, subject)
    if isinstance(words, Unknown):
        yield words
    elif words:
        yield Need(words[0], "#! interpreter of", inferred=True, executed=True)


def started_by_env(image: Image, subject: Subject) -> Iterator[Need]:
    """The program that env(1) starts: the first word that is no option and sets no variable."""
    words = _first_line(image, subject)
    if isinstance(words, Unknown) or not words or posixpath.basename(words[0]) != "env":
        return
    name = next((one for one in words[1:] if not one.startswith("-") and "=" not in one), None)
    path = located(image, name) if name else None
    if path is not None:
        yield Need(path, "started by env for", executed=True)


def _first_line(image: Image, subject: Subject) -> list[str] | Unknown:
    """The words after ``#!`` of what was executed; none if it is no script."""
    content = image.files[subject.path].content
    if not subject.executed or content is None:
        return []
    try:
        with content.open() as file:
            head = file.read(_HEAD)
    except ImageError as error:
        return Unknown(f"{error}: what {subject.path} needs is not known")
    line = head[2:].partition(b"\n")[0] if head.startswith(b"#!") else b""
    return [one.decode(errors="surrogateescape") for one in _BLANKS.split(line) if one]
