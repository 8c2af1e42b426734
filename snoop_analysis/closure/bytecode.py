# SPDX-License-Identifier: Apache-2.0
"""Python: a module's source and its bytecode belong together.

Source: PEP 3147 and importlib: without its source, what is in ``__pycache__`` is never looked at;
without its bytecode, a module is compiled at every start.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from typing import Final

from snoop_analysis.closure.reasons import Need, Subject
from snoop_analysis.image import Image

_CACHE: Final = "__pycache__"


def pair(image: Image, subject: Subject) -> Iterator[Need]:
    """The source of bytecode, the bytecode of a source."""
    directory, name = posixpath.split(subject.path)
    stem = name.partition(".")[0]
    if name.endswith(".pyc") and posixpath.basename(directory) == _CACHE:
        yield Need(f"{posixpath.dirname(directory)}/{stem}.py", "source of the bytecode")
    elif name.endswith(".py"):
        for path in image.below(f"{directory}/{_CACHE}"):
            if posixpath.basename(path).startswith(f"{stem}.") and path.endswith(".pyc"):
                yield Need(path, "bytecode of")
