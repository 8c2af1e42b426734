# SPDX-License-Identifier: Apache-2.0
"""All packages of an image, and which file is whose."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Final

from snoop_analysis.closure.bytecode import source_of
from snoop_analysis.errors import ImageError
from snoop_analysis.image import Image, Kind
from snoop_analysis.packages import apk, dpkg, node, python, rpm
from snoop_analysis.packages.package import Package

# In this order: a file that two of them list belongs to the distribution's package.
KINDS: Final[dict[str, Callable[[Image], Iterator[Package]]]] = {
    "dpkg": dpkg.packages,
    "apk": apk.packages,
    "rpm": rpm.packages,
    "python": python.packages,
    "node": node.packages,
}


def installed(image: Image) -> tuple[list[Package], list[str]]:
    """The packages of every kind; and of kinds that cannot be read why, a sentence each."""
    found: list[Package] = []
    unread: list[str] = []
    for kind, read in KINDS.items():
        try:
            found += read(image)
        except ImageError as error:
            unread.append(f"packages of {kind} are not told apart: {error}")
    return found, unread


def owners(packages: Iterable[Package], image: Image) -> dict[str, Package]:
    """The package of each path, links in the paths of its list followed.

    Debian's lists have /bin/sh where the image has a link /bin and /usr/bin/sh. A directory has an
    owner if just one package lists it. Python's bytecode, which is made where a package is
    installed, belongs to the package of its source.
    """
    owner: dict[str, Package] = {}
    shared: set[str] = set()
    for package in packages:
        for path in (*package.files, *package.metadata):
            end = image.find(path, follow=False).end
            if end is None:
                continue
            first = owner.setdefault(end, package)
            if first is not package and image.files[end].kind is Kind.DIRECTORY:
                shared.add(end)
    sources = {path: source for path in image.files if (source := source_of(path)) in owner}
    compiled = {path: owner[source] for path, source in sources.items() if source is not None}
    return compiled | {path: package for path, package in owner.items() if path not in shared}


def metadata(packages: Iterable[Package]) -> list[str]:
    """The files that say which packages are installed."""
    about = chain.from_iterable(package.metadata for package in packages)
    return [*dpkg.METADATA, *apk.METADATA, *rpm.METADATA, *about]
