# SPDX-License-Identifier: Apache-2.0
"""Directories as rectangles inside each other, their areas as the numbers of files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import squarify

# A directory with less than this share of all files is drawn as one rectangle.
_WHOLE: Final = 0.04


Box: TypeAlias = tuple[float, float, float, float]


@dataclass(slots=True)
class Directory:
    """A directory: the files in it and below, and of these those found."""

    path: str
    files: int = 0
    found: int = 0
    own_files: int = 0
    own_found: int = 0
    children: dict[str, Directory] = field(default_factory=dict)

    def child(self, name: str) -> Directory:
        """The directory ``name`` in this one, made if it is not there."""
        if name not in self.children:
            self.children[name] = Directory(f"{self.path.rstrip('/')}/{name}")
        return self.children[name]


@dataclass(frozen=True, slots=True)
class Tile:
    """A rectangle in a square of side 1, y from the top.

    ``parent`` is the directory it is in.
    """

    label: str
    parent: str
    files: int
    found: int
    x: float
    y: float
    width: float
    height: float


def tree(rows: Iterable[tuple[list[str], int, int]]) -> Directory:
    """The root, from the names on the way to each directory and the files directly in it."""
    root = Directory("/")
    for names, files, found in rows:
        here = root
        for name in ("", *names):
            here = here.child(name) if name else here
            here.files += files
            here.found += found
        here.own_files += files
        here.own_found += found
    return root


def tiles(root: Directory, aspect: float) -> list[Tile]:
    """The rectangles of what is in ``root``; ``aspect`` is width by height of the whole."""
    return list(_tiles(root, (0.0, 0.0, aspect, 1.0), root.files * _WHOLE, aspect))


def _parts(directory: Directory) -> list[Directory]:
    """What a directory is divided into, largest first: its children, and its own files."""
    parts = [*directory.children.values()]
    if directory.own_files:
        own = f"{directory.path.rstrip('/')}/*"
        parts.append(Directory(own, directory.own_files, directory.own_found))
    return sorted(parts, key=lambda part: (-part.files, part.path))


def _laid_out(parts: list[Directory], box: Box) -> Iterator[tuple[Directory, Box]]:
    x, y, width, height = box
    sizes = squarify.normalize_sizes([part.files for part in parts], width, height)
    for part, place in zip(parts, squarify.squarify(sizes, x, y, width, height), strict=True):
        yield part, (place["x"], place["y"], place["dx"], place["dy"])


def _tiles(directory: Directory, box: Box, whole: float, aspect: float) -> Iterator[Tile]:
    for part, (x, y, width, height) in _laid_out(_parts(directory), box):
        if part.children and part.files >= whole:
            yield from _tiles(part, (x, y, width, height), whole, aspect)
        else:
            yield Tile(
                label=part.path,
                parent=directory.path,
                files=part.files,
                found=part.found,
                x=x / aspect,
                y=y,
                width=width / aspect,
                height=height,
            )
