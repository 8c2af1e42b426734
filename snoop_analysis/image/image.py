# SPDX-License-Identifier: Apache-2.0
"""An image: a tree of files, and what its configuration says."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from snoop_analysis.errors import ImageError
from snoop_analysis.image.tree import Inode, Node, Way, find, walk


@dataclass(frozen=True, slots=True)
class Config:
    """What an image says of its containers (OCI image specification, config.md).

    Attributes:
        said: the whole configuration as JSON has it; empty where there is none.
    """

    said: dict[str, Any] = field(default_factory=dict)

    @property
    def container(self) -> dict[str, Any]:
        """The part about containers: Entrypoint, Cmd, Env, User, ..."""
        found = self.said.get("config")
        return found if isinstance(found, dict) else {}

    def strings(self, name: str) -> list[str]:
        """A list of strings; empty if it is not there or none."""
        found = self.container.get(name)
        return [one for one in found if isinstance(one, str)] if isinstance(found, list) else []

    def text(self, name: str) -> str:
        """A string; empty if it is not there or none."""
        found = self.container.get(name)
        return found if isinstance(found, str) else ""

    def variable(self, name: str) -> str:
        """An environment variable; empty if it is not set."""
        pairs = (one.partition("=") for one in self.strings("Env"))
        return next((value for key, _, value in pairs if key == name), "")


class Image:
    """The files of an image.

    Args:
        name: where it was read from.
        root: its tree.
        layers: what its layers are called, the lowest first.
        config: its configuration.
        digests: of its manifest, of the indexes that list it and of its configuration: each is
            what a container runtime may call the image's digest.
    """

    def __init__(
        self,
        name: str,
        root: Node,
        layers: Sequence[str] = ("",),
        config: Config | None = None,
        digests: Sequence[str] = (),
    ) -> None:
        self.name = name
        self.root = root
        self.layers = tuple(layers)
        self.config = config or Config()
        self.digests = tuple(digests)

    @cached_property
    def files(self) -> dict[str, Inode]:
        """Every path with what it stands for, a directory before what is in it."""
        return dict(walk(self.root))

    @cached_property
    def first_names(self) -> dict[Inode, str]:
        """The first path of each file: the others are hard links to it."""
        first: dict[Inode, str] = {}
        for path, inode in self.files.items():
            first.setdefault(inode, path)
        return first

    def find(self, path: str, follow: bool = True) -> Way:
        """How the kernel gets to ``path``; see ``tree.find``."""
        return find(self.root, path, follow)

    def read(self, path: str, limit: int) -> bytes | None:
        """The content of a file; null if the path leads to none.

        Raises:
            ImageError: it has more than ``limit`` bytes, or cannot be read.
        """
        node = self.find(path).node
        inode = node.inode if node else None
        if inode is None or inode.content is None:
            return None
        if inode.size > limit:
            raise ImageError(f"{path} has {inode.size:,} bytes, more than such a file has")
        with inode.content.open() as file:
            return file.read(limit)

    def below(self, path: str) -> list[str]:
        """The paths of the entries of a directory; empty if it is none."""
        way = self.find(path)
        if way.node is None:
            return []
        start = "" if way.end == "/" else way.end
        return [f"{start}/{name}" for name in way.node.children]

    def tree(self, path: str) -> Iterator[str]:
        """The paths of a directory and all that is below it; none if it is not there."""
        way = self.find(path)
        if way.node is not None and way.end is not None:
            start = "" if way.end == "/" else way.end
            yield from (start + one if one != "/" else way.end for one, _ in walk(way.node))
