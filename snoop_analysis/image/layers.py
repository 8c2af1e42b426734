# SPDX-License-Identifier: Apache-2.0
"""Layers, laid on one another as a container runtime does.

Source of the rules: the OCI image specification, layer.md ("Applying Changesets").
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from snoop_analysis.errors import ImageError
from snoop_analysis.image.archive import MOST_LETTERS, MOST_NAMES, Entry
from snoop_analysis.image.tree import Inode, Kind, Node, follow_names, new_root

WHITEOUT: Final = ".wh."
_OPAQUE: Final = ".wh..wh..opq"
_RESERVED: Final = ".wh..wh."


@dataclass
class Stack:
    """Layers on one another: ``root`` is what can be seen of them."""

    root: Node = field(default_factory=new_root)
    _names: int = 0
    _letters: int = 0

    def lay(self, entries: Iterable[Entry], source: str, layer: int) -> None:
        """Lay a layer on top; its whiteouts take away what lower layers brought.

        Raises:
            ImageError: an entry lies below a file, a hard link leads nowhere, or there are more
                names than any image has.
        """
        brought: list[Entry] = []
        for entry in entries:
            name = entry.names[-1] if entry.names else ""
            if name == _OPAQUE:
                _empty(self.root, entry.names[:-1])
            elif name.startswith(WHITEOUT) and not name.startswith(_RESERVED):
                _remove(self.root, entry.names[:-1], name.removeprefix(WHITEOUT))
            elif not any(part.startswith(_RESERVED) for part in entry.names):
                brought.append(entry)
        for entry in brought:
            self._put(entry, source, layer)

    def _put(self, entry: Entry, source: str, layer: int) -> None:
        if not entry.names:
            if entry.inode is not None and entry.inode.kind is Kind.DIRECTORY:
                self.root.inode = entry.inode
            return
        directory = self._directory(entry.names[:-1], source, layer)
        name = entry.names[-1]
        inode = entry.inode or _linked(self.root, entry, source)
        old = directory.children.get(name)
        if old is not None and old.is_directory and inode.kind is Kind.DIRECTORY:
            old.inode = inode
        else:
            directory.children[name] = self._node(inode, sum(map(len, entry.names)), source)

    def _directory(self, names: Sequence[str], source: str, layer: int) -> Node:
        """As ``_lookup``; what is missing is made."""

        def make(path: str) -> Node:
            return self._node(Inode(Kind.DIRECTORY, layer=layer), len(path), source)

        node = follow_names(self.root, names, make=make).node
        if node is None or not node.is_directory:
            raise ImageError(
                f"{source} has an entry below {'/'.join(names)!r}, no directory: refused"
            )
        return node

    def _node(self, inode: Inode, letters: int, source: str) -> Node:
        """A new name, ``letters`` long with the directories above it."""
        self._names += 1
        self._letters += letters
        if self._names > MOST_NAMES or self._letters > MOST_LETTERS:
            raise ImageError(f"{source} names more than any image does: refused")
        return Node(inode)


def _at(root: Node, names: Sequence[str]) -> Node | None:
    """What lower layers have at this very path: a layer's directory replaces a link below it."""
    node: Node | None = root
    for name in names:
        node = node.children.get(name) if node else None
    return node


def _empty(root: Node, names: Sequence[str]) -> None:
    directory = _at(root, names)
    if directory is not None:
        directory.children.clear()


def _remove(root: Node, names: Sequence[str], name: str) -> None:
    directory = _at(root, names)
    if directory is not None:
        directory.children.pop(name, None)


def _linked(root: Node, entry: Entry, source: str) -> Inode:
    directory = _lookup(root, entry.link_to[:-1])
    node = directory.children.get(entry.link_to[-1]) if directory and entry.link_to else None
    if node is None or node.is_directory:
        raise ImageError(
            f"{source} has the hard link {'/'.join(entry.names)!r} "
            f"to {'/'.join(entry.link_to)!r}, which is no file: refused"
        )
    return node.inode


def _lookup(root: Node, names: Sequence[str]) -> Node | None:
    """The directory with this name, links followed inside the image; null if there is none."""
    node = follow_names(root, names).node
    return node if node is not None and node.is_directory else None
