# SPDX-License-Identifier: Apache-2.0
"""Programs by their names, as execvp(3) finds them in PATH."""

from __future__ import annotations

import posixpath
from typing import Final

from snoop_analysis.image import Image

# What container runtimes set where the image does not say it.
_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def located(image: Image, name: str) -> str | None:
    """The path of a program of an image; null if PATH does not lead to it."""
    if "/" in name:
        return posixpath.join(image.config.text("WorkingDir") or "/", name)
    directories = (image.config.variable("PATH") or _PATH).split(":")
    paths = (f"{directory}/{name}" for directory in directories)
    return next((one for one in paths if image.find(one).end is not None), None)
