# SPDX-License-Identifier: Apache-2.0
"""Text files of an image."""

from __future__ import annotations

from typing import Final

from snoop_analysis.image import Image

# A database of packages larger than this is none.
_LARGEST: Final = 256 << 20


def text_of(image: Image, path: str) -> str:
    """The content of a text file; empty if it is not there.

    Raises:
        ImageError: it cannot be read, or is larger than such a file is.
    """
    return (image.read(path, _LARGEST) or b"").decode(errors="surrogateescape")


def lines(image: Image, path: str) -> list[str]:
    """The lines of a text file; none if it is not there."""
    return text_of(image, path).split("\n") if path else []
