# SPDX-License-Identifier: Apache-2.0
"""Why a file is kept."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason to keep a file.

    Attributes:
        rule: which rule says so; ``observed`` for what was seen, ``policy`` for what a person
            said.
        text: what the file is to ``cause``, as the beginning of a sentence.
        cause: path of the file that needs it; null where there is none.
        inferred: the kernel opens it by itself, and no event says so.
    """

    rule: str
    text: str
    cause: str | None = None
    inferred: bool = False


@dataclass(frozen=True, slots=True)
class Need:
    """What a rule asks for.

    Attributes:
        path: absolute path of what is needed; links in it are followed, and kept. What is
            inferred may be relative to where the program was started.
        text: as in ``Reason``.
        inferred: as in ``Reason``.
        executed: it becomes a program.
    """

    path: str
    text: str
    inferred: bool = False
    executed: bool = False


@dataclass(frozen=True, slots=True)
class Subject:
    """A file that rules look at.

    Attributes:
        path: its path, without any link in it.
        executed: whether it becomes a program.
        name: the name it was asked for by, where that is another.
    """

    path: str
    executed: bool
    name: str = ""


@dataclass(frozen=True, slots=True)
class Unknown:
    """A need that cannot be met or found out, as a sentence.

    ``matters``: a file of the image may be needed because of it.
    """

    sentence: str
    matters: bool = True
