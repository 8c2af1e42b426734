# SPDX-License-Identifier: Apache-2.0
"""The file tree of an image, and how the kernel finds a name in it.

Paths are text as ``os.fsdecode`` has it with UTF-8: a byte that is not UTF-8 is a lone surrogate
(PEP 383). The root of the image is ``/``; no link and no ``..`` leads above it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from snoop_analysis.errors import ImageError
from snoop_analysis.image.extent import Content

# path_resolution(7): the kernel follows so many links in one name, then says ELOOP.
MOST_LINKS: Final = 40
# limits.h: a longer name is none on Linux.
LONGEST_PATH: Final = 4096


class Kind(StrEnum):
    """What a name is."""

    FILE = "file"
    DIRECTORY = "directory"
    SYMLINK = "symlink"
    CHARACTER = "character device"
    BLOCK = "block device"
    FIFO = "fifo"
    SOCKET = "socket"


@dataclass(slots=True, eq=False)
class Inode:
    """What one name or several (hard links) stand for.

    Attributes:
        kind: what it is.
        mode: permission bits, with setuid, setgid and sticky.
        uid, gid: owner.
        mtime: seconds since 1970.
        size: bytes; 0 for all but files.
        target: of a symlink, as it is written there.
        device: major and minor number.
        xattrs: extended attributes.
        layer: number of the layer it comes from, from 0.
        content: the bytes of a file; null for the rest.
    """

    kind: Kind
    mode: int = 0o755
    uid: int = 0
    gid: int = 0
    mtime: int = 0
    size: int = 0
    target: str = ""
    device: tuple[int, int] = (0, 0)
    xattrs: dict[str, bytes] = field(default_factory=dict)
    layer: int = 0
    content: Content | None = None


@dataclass(slots=True, eq=False)
class Node:
    """A name in the tree; only directories have children."""

    inode: Inode
    children: dict[str, Node] = field(default_factory=dict)

    @property
    def is_directory(self) -> bool:
        """Whether it may have children."""
        return self.inode.kind is Kind.DIRECTORY


@dataclass(frozen=True, slots=True)
class Way:
    """How the kernel gets from a name to a file.

    Attributes:
        end: path of the file without any link in it; null if there is none.
        node: the file; null if there is none.
        passed: paths of the directories and links on the way, and of ``end``.
        stopped_at: where there is no ``end``: what was no directory, and had to be; null if a
            name was missing.
        mount: the mount point that it leads into, and what is there is not known; null if none.
        unsure: the names after the first ``..`` whose directory is not known, and may be a link
            to anywhere; empty if there is none.
    """

    end: str | None
    node: Node | None
    passed: tuple[str, ...]
    stopped_at: str | None = None
    mount: str | None = None
    unsure: str = ""


def new_root() -> Node:
    """An empty tree."""
    return Node(Inode(Kind.DIRECTORY))


def components(path: str) -> list[str]:
    """The names in a path, ``..`` among them, without empty ones and ``.``."""
    return [part for part in path.split("/") if part not in ("", ".")]


def find(root: Node, path: str, follow: bool = True, mounts: Collection[str] | None = None) -> Way:
    """Follow ``path`` from ``root`` as path_resolution(7) says.

    Args:
        root: the root of the image.
        path: absolute, or taken to start at ``/``.
        follow: also follow a link at the end of ``path``.
        mounts: where something was mounted while programs ran, which may also have made what is
            missing in the image. Names lead into both unseen, and by ``..`` out of them again;
            null if the image is all there is.
    """
    names = components(path)
    to_directory = path.endswith(("/", "/.", "/.."))
    way = follow_names(root, names, follow or to_directory, mounts=mounts)
    if to_directory and way.node and not way.node.is_directory:
        return Way(None, None, way.passed, way.end, unsure=way.unsure)
    return way


def follow_names(
    root: Node,
    names: Sequence[str],
    follow: bool = True,
    make: Callable[[str], Node] | None = None,
    mounts: Collection[str] | None = None,
) -> Way:
    """As ``find``, for the names in a path; ``make`` gets the path of each that is missing."""
    todo = list(reversed(names))
    stack = [("", root)]
    passed = {"/": None}
    links = 0
    unsure = ""
    while todo:
        here, directory = stack[-1]
        if not directory.is_directory:
            return Way(None, None, tuple(passed), here, unsure=unsure)
        name = todo.pop()
        if name == "..":
            stack = stack[:-1] or stack
            continue
        path = f"{here}/{name}"
        child = directory.children.get(name)
        if child is None and make is not None:
            child = directory.children[name] = make(path)
        if child is not None:
            passed[path] = None
        if mounts is not None and (child is None or path in mounts):
            is_left, rest = _leave(todo, path in mounts)
            unsure = unsure or rest
            if is_left:
                continue
            mount = path if path in mounts else None
            return Way(None, None, tuple(passed), mount=mount, unsure=unsure)
        if child is None:
            return Way(None, None, tuple(passed))
        if child.inode.kind is Kind.SYMLINK and (todo or follow):
            links += 1
            if links > MOST_LINKS:
                return Way(None, None, tuple(passed), unsure=unsure)
            todo += reversed(components(child.inode.target))
            stack = stack[:1] if child.inode.target.startswith("/") else stack
        else:
            stack.append((path, child))
    end, node = stack[-1]
    return Way(end or "/", node, tuple(passed), unsure=unsure)


def _leave(todo: list[str], is_mount: bool) -> tuple[bool, str]:
    """Take the names up to the ``..`` that leaves a directory in which nothing is known.

    Args:
        todo: the names, the first one last; those that are taken are gone.
        is_mount: it is a directory; else it may be a link.

    Returns:
        Whether there is such a ``..``, and ``Way.unsure``.
    """
    depth = 0
    unsure = ""
    while todo:
        if todo.pop() != "..":
            depth += 1
            continue
        if depth or not is_mount:
            unsure = unsure or "/".join(reversed(todo))
        depth -= 1
        if depth < 0:
            return True, unsure
    return False, unsure


def walk(root: Node) -> Iterator[tuple[str, Inode]]:
    """All paths, a directory before what is in it, siblings by the bytes of their names."""
    stack = [("", root)]
    while stack:
        path, node = stack.pop()
        yield path or "/", node.inode
        names = sorted(node.children, key=_bytes, reverse=True)
        stack += [(f"{path}/{name}", node.children[name]) for name in names]


def _bytes(name: str) -> bytes:
    return name.encode(errors="surrogateescape")


def checked_components(path: str, source: str) -> list[str]:
    """The names in the path of an archive's entry.

    Raises:
        ImageError: it leads out of the image, or is longer than a path can be.
    """
    if len(path) > LONGEST_PATH:
        raise ImageError(f"{source} has an entry whose name is longer than a path can be: refused")
    parts: list[str] = []
    for part in components(path):
        if part != "..":
            parts.append(part)
        elif parts:
            parts.pop()
        else:
            raise ImageError(f"{source} has the entry {path!r}, which leads out of it: refused")
    return parts
