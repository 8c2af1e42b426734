# SPDX-License-Identifier: Apache-2.0
"""Pictures as files, and as text to put into a page; drawn without a browser or a network."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import vl_convert

from snoop_analysis.errors import OptionError
from snoop_analysis.plotting.style import Picture
from snoop_analysis.replacing import AnyPath, replaced

_SCALE: Final = 2  # pixels of a PNG for each of the picture's


def svg(picture: Picture) -> str:
    """The picture as an ``svg`` element."""
    return vl_convert.vegalite_to_svg(picture.to_dict())


def png(picture: Picture, scale: float = _SCALE) -> bytes:
    """The picture as a PNG file."""
    return vl_convert.vegalite_to_png(picture.to_dict(), scale=scale)


def check_name(path: AnyPath) -> None:
    """Refuse what is neither a PNG nor an SVG by its name.

    Raises:
        OptionError: it is neither.
    """
    if Path(path).suffix.lower() not in (".png", ".svg"):
        raise OptionError(f"{path} is no picture's name: it has to end with .png or .svg")


def save(picture: Picture, path: AnyPath) -> None:
    """Write the picture as PNG or SVG, by the name of ``path``, in one step.

    Raises:
        OptionError: the name ends with neither.
        OSError: it cannot be written.
    """
    check_name(path)
    content = png(picture) if Path(path).suffix.lower() == ".png" else svg(picture).encode()
    with replaced(path) as target:
        target.write_bytes(content)
