# SPDX-License-Identifier: Apache-2.0
"""Where programs were started: from there the kernel opens an interpreter with a relative path."""

from __future__ import annotations

from typing import TYPE_CHECKING

from snoop_analysis.names import text_in_image
from snoop_analysis.sqltext import statement

if TYPE_CHECKING:
    from snoop_analysis.image import Image
    from snoop_analysis.replay import Replay


def started(replay: Replay, image: Image) -> dict[str, set[str]]:
    """The working directories in which each program of ``image`` was started.

    They are by the path of the program; an empty one stands for one that is not known. Counts what
    the containers in the table ``counted`` did.
    """
    directories: dict[str, set[str]] = {}
    for found in replay.query(statement("started")).fetchall():
        path, base, real_path, directory = (text_in_image(one or "") for one in found)
        names = (path if path.startswith("/") else f"{base}/{path}" if base else "", real_path)
        for end in {image.find(name).end for name in names if name}:
            if end is not None:
                directories.setdefault(end, set()).add(directory)
    return directories
