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


def source_of(path: str) -> str | None:
    """The source of which ``path`` is the bytecode; null if it is none."""
    directory, name = posixpath.split(path)
    above, cache = posixpath.split(directory)
    if cache != _CACHE or not name.endswith(".pyc"):
        return None
    return f"{above}/{name.partition('.')[0]}.py"


def pair(image: Image, subject: Subject) -> Iterator[Need]:
    """The source of bytecode, the bytecode of a source."""
    source = source_of(subject.path)
    if source is not None:
        yield Need(source, "source of the bytecode")
    elif subject.path.endswith(".py"):
        for path in image.below(f"{posixpath.dirname(subject.path)}/{_CACHE}"):
            if source_of(path) == subject.path:
                yield Need(path, "bytecode of")
