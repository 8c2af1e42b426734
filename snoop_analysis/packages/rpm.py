# SPDX-License-Identifier: Apache-2.0
"""RPM packages, where the system has RPM's own library (``python3-rpm``): it alone knows every
format that the database ever had.
"""

from __future__ import annotations

import importlib
import posixpath
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from snoop_analysis.errors import ImageError
from snoop_analysis.image import Image, Kind
from snoop_analysis.packages.package import Package

_PLACES: Final = ("/var/lib/rpm", "/usr/lib/sysimage/rpm", "/usr/share/rpm")
_DATABASES: Final = ("rpmdb.sqlite", "Packages.db", "Packages")
METADATA: Final = tuple(f"{place}/{name}" for place in _PLACES for name in _DATABASES)


def packages(image: Image) -> Iterator[Package]:
    """The packages in the database.

    Raises:
        ImageError: there is one and it cannot be read.
    """
    places = {one: None for one in _PLACES if any(_is_database(image, one, n) for n in _DATABASES)}
    for place in {image.find(one).end or one: None for one in places}:
        library = _library(place)
        with tempfile.TemporaryDirectory() as directory:
            _copy(image, place, Path(directory))
            yield from _read(library, Path(directory), place)


def _is_database(image: Image, place: str, name: str) -> bool:
    node = image.find(f"{place}/{name}").node
    return node is not None and node.inode.kind is Kind.FILE


def _library(place: str) -> Any:
    try:
        return importlib.import_module("rpm")
    except ImportError:
        raise ImageError(
            f"reading {place} needs RPM's own library; install it "
            "(Debian: apt-get install python3-rpm, Fedora: dnf install python3-rpm)"
        ) from None


def _copy(image: Image, place: str, directory: Path) -> None:
    """The library reads a database from the disk alone."""
    for path in image.below(place):
        content = image.files[path].content
        if content is not None:
            target = directory / posixpath.basename(path)
            with content.open() as source, target.open("wb") as copy:
                shutil.copyfileobj(source, copy)


def _read(library: Any, directory: Path, place: str) -> Iterator[Package]:
    library.addMacro("_dbpath", str(directory))
    try:
        for header in library.TransactionSet().dbMatch():
            yield Package(
                "rpm",
                header["name"],
                f"{header['version']}-{header['release']}",
                tuple(header["filenames"]),
            )
    except library.error as error:
        raise ImageError(f"{place} of the image is damaged: {error}") from error
    finally:
        library.delMacro("_dbpath")
