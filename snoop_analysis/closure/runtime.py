# SPDX-License-Identifier: Apache-2.0
"""What a container runtime needs of an image, before and beside the program in it."""

from __future__ import annotations

import posixpath
import shlex
from collections.abc import Iterable, Iterator
from typing import Final

from snoop_analysis.closure.programs import located
from snoop_analysis.closure.reasons import Need
from snoop_analysis.image import Image, Kind

# Read to find the ids of USER and its groups; written over, or mounted on, in every container.
_READ: Final = ("/etc/passwd", "/etc/group")
_MOUNTED: Final = (
    "/etc/hosts",
    "/etc/hostname",
    "/etc/resolv.conf",
    "/etc/mtab",
    "/run",
    "/tmp",
)


def needs(image: Image, mounts: set[str]) -> Iterator[Need]:
    """What the configuration and its commands name, what a runtime reads, and places of mounts."""
    for path in _READ:
        yield Need(path, "read by container runtimes for the user and its groups")
    for path in sorted({*_MOUNTED, *mounts}):
        yield Need(path, "a place where container runtimes mount")
    volumes = image.config.container.get("Volumes")
    for path in sorted(volumes) if isinstance(volumes, dict) else ():
        yield Need(path, "a volume of the image's configuration")
        for one in image.tree(path):
            yield Need(one, "copied by container runtimes into a volume of the configuration")
    if image.config.text("WorkingDir"):
        yield Need(image.config.text("WorkingDir"), "working directory of the image")
    for words, text in _commands(image):
        program = located(image, words[0]) if words else None
        if program is not None:
            yield Need(program, text, executed=True)
        for path in dict.fromkeys(_named(image, words[1:])):
            yield Need(path, f"named by the {text}", executed=_is_program(image, path))


def _commands(image: Image) -> Iterator[tuple[list[str], str]]:
    """The commands in the configuration, and what they are."""
    command = image.config.strings("Entrypoint") + image.config.strings("Cmd")
    yield command, "first program of the image's configuration"
    check = image.config.container.get("Healthcheck")
    test = check.get("Test") if isinstance(check, dict) else None
    words = [one for one in test if isinstance(one, str)] if isinstance(test, list) else []
    if words[:1] == ["CMD"]:
        yield words[1:], "health check of the image's configuration"
    elif words[:1] == ["CMD-SHELL"]:
        yield ["/bin/sh"], "shell of the image's health check"
        yield _words(" ".join(words[1:])), "health check of the image's configuration"


def _named(image: Image, words: Iterable[str]) -> Iterator[str]:
    """The files that words name: alone, behind ``=``, or in a line for a shell."""
    directory = image.config.text("WorkingDir") or "/"
    for word in words:
        for one in (word, *_words(word)):
            for name in filter(None, (one, one.partition("=")[2])):
                path = posixpath.join(directory, name)
                if image.find(path).end is not None:
                    yield path


def _is_program(image: Image, path: str) -> bool:
    """Does a name lead to a file that somebody may execute?"""
    node = image.find(path).node
    return node is not None and node.inode.kind is Kind.FILE and bool(node.inode.mode & 0o111)


def _words(line: str) -> list[str]:
    """The words of a line for a shell, and its operators."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    lexer.commenters = ""
    try:
        return list(lexer)
    except ValueError:  # the shell may understand what shlex does not
        return line.split()
