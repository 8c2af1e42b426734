# SPDX-License-Identifier: Apache-2.0
"""Where the parts of an image lie: in a directory, or in a tar archive."""

from __future__ import annotations

import os
import posixpath
from pathlib import Path
from typing import Protocol

from snoop_analysis.errors import ImageError
from snoop_analysis.image.archive import entries
from snoop_analysis.image.extent import Extent, OpenFile
from snoop_analysis.image.tree import MOST_LINKS, Kind, components


class Store(Protocol):
    """Files by name."""

    def get(self, name: str) -> Extent | None:
        """The file with this name; null if there is none."""
        ...


class DirectoryStore:
    """The files below a directory; a name or a link that leads out of it leads nowhere."""

    def __init__(self, root: Path) -> None:
        self._root = root.resolve()

    def get(self, name: str) -> Extent | None:
        """The file with this name; null if there is none."""
        try:
            path = Path(os.path.realpath(self._root / name))  # Path.resolve refuses circles
        except ValueError:  # no name of a file: it has a NUL, or half of a surrogate pair
            return None
        if not path.is_relative_to(self._root) or not path.is_file():
            return None
        return whole(path)


class ArchiveStore:
    """The members of an uncompressed tar archive."""

    def __init__(self, archive: Extent, source: str) -> None:
        self._members: dict[str, Extent] = {}
        self._links: dict[str, str] = {}
        for entry in entries(archive, source):
            name = "/".join(entry.names)
            if entry.inode is None:
                self._links[name] = "/".join(entry.link_to)
            elif isinstance(entry.inode.content, Extent):
                self._members[name] = entry.inode.content
            elif entry.inode.kind is Kind.SYMLINK:
                target = posixpath.join(posixpath.dirname(name), entry.inode.target)
                self._links[name] = posixpath.normpath(target)

    def get(self, name: str) -> Extent | None:
        """The file with this name; null if there is none. Old archives link equal layers."""
        name = "/".join(components(name))
        for _ in range(MOST_LINKS):
            if name not in self._links:
                break
            name = self._links[name]
        return self._members.get(name)


def whole(path: Path) -> Extent:
    """A file on the disk.

    Raises:
        ImageError: it cannot be read.
    """
    try:
        file = OpenFile(os.open(path, os.O_RDONLY))
    except OSError as error:
        raise ImageError(f"cannot read {path}: {error.strerror}") from error
    return Extent(file, 0, os.fstat(file.descriptor).st_size)
