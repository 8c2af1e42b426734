# SPDX-License-Identifier: Apache-2.0
"""``#!``: the interpreter of a script that was executed.

Source: fs/binfmt_script.c of the kernel. An interpreter may itself be a script.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from snoop_analysis.closure.reasons import Need, Subject, Unknown
from snoop_analysis.errors import ImageError
from snoop_analysis.image import Image

# BINPRM_BUF_SIZE: the kernel looks at no more of a program.
_HEAD: Final = 256


def interpreter(image: Image, subject: Subject) -> Iterator[Need | Unknown]:
    """The program that the first line of an executed script names."""
    content = image.files[subject.path].content
    if not subject.executed or content is None:
        return
    try:
        with content.open() as file:
            head = file.read(_HEAD)
    except ImageError as error:
        yield Unknown(f"{error}: what {subject.path} needs is not known")
        return
    words = head[2:].partition(b"\n")[0].split() if head.startswith(b"#!") else []
    if words:
        path = words[0].decode(errors="surrogateescape")
        yield Need(path, "#! interpreter of", inferred=True, executed=True)
