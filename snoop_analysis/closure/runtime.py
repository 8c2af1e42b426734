# SPDX-License-Identifier: Apache-2.0
"""What a container runtime needs of an image, before and beside the program in it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Final

from snoop_analysis.closure.programs import located
from snoop_analysis.closure.reasons import Need
from snoop_analysis.image import Image

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
    """What the configuration names, what a runtime reads, and the places of mounts."""
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


def _commands(image: Image) -> Iterator[tuple[list[str], str]]:
    """The commands in the configuration, and what they are."""
    entrypoint = image.config.strings("Entrypoint")
    yield entrypoint or image.config.strings("Cmd"), "first program of the image's configuration"
    check = image.config.container.get("Healthcheck")
    test = check.get("Test") if isinstance(check, dict) else None
    words = [one for one in test if isinstance(one, str)] if isinstance(test, list) else []
    if words[:1] == ["CMD"]:
        yield words[1:], "health check of the image's configuration"
    elif words[:1] == ["CMD-SHELL"]:
        yield ["/bin/sh"], "shell of the image's health check"
        yield _words(" ".join(words[1:])), "health check of the image's configuration"


def _words(command: str) -> list[str]:
    try:
        return shlex.split(command)
    except ValueError:  # the shell may understand what shlex does not
        return command.split()
