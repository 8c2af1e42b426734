# SPDX-License-Identifier: Apache-2.0
"""A root directory on the disk as an image."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from snoop_analysis.errors import ImageError
from snoop_analysis.image.extent import OnDisk
from snoop_analysis.image.tree import Inode, Kind, Node

_KINDS: Final = {
    stat.S_IFREG: Kind.FILE,
    stat.S_IFDIR: Kind.DIRECTORY,
    stat.S_IFLNK: Kind.SYMLINK,
    stat.S_IFCHR: Kind.CHARACTER,
    stat.S_IFBLK: Kind.BLOCK,
    stat.S_IFIFO: Kind.FIFO,
    stat.S_IFSOCK: Kind.SOCKET,
}


def read_directory(path: Path) -> Node:
    """The tree below a directory; no link is followed, and file systems mounted in it are empty.

    Raises:
        ImageError: a directory in it cannot be read.
    """
    shared: dict[tuple[int, int], Inode] = {}
    status = path.stat()
    device = status.st_dev
    root = Node(_inode(path, status))
    todo = [(path, root)]
    while todo:
        directory, node = todo.pop()
        for entry in _scan(directory):
            said = entry.stat(follow_symlinks=False)
            key = (said.st_dev, said.st_ino)
            inode = shared.get(key) or _inode(Path(entry.path), said)
            if said.st_nlink > 1 and inode.kind is not Kind.DIRECTORY:
                shared[key] = inode
            child = node.children[_text(entry.name)] = Node(inode)
            if child.is_directory and said.st_dev == device:
                todo.append((Path(entry.path), child))
    return root


def _scan(directory: Path) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(directory) as found:
            yield from found
    except OSError as error:
        raise ImageError(
            f"cannot read {directory}: {error.strerror}; read it as its owner, or give an archive"
        ) from error


def _text(name: str) -> str:
    return os.fsencode(name).decode(errors="surrogateescape")


def _inode(path: Path, said: os.stat_result) -> Inode:
    kind = _KINDS[stat.S_IFMT(said.st_mode)]
    return Inode(
        kind=kind,
        mode=stat.S_IMODE(said.st_mode),
        uid=said.st_uid,
        gid=said.st_gid,
        mtime=int(said.st_mtime),
        size=said.st_size if kind is Kind.FILE else 0,
        target=_text(os.readlink(path)) if kind is Kind.SYMLINK else "",  # noqa: PTH115
        device=(os.major(said.st_rdev), os.minor(said.st_rdev)),
        xattrs=_xattrs(path),
        content=OnDisk(path) if kind is Kind.FILE else None,
    )


def _xattrs(path: Path) -> dict[str, bytes]:
    """Extended attributes; none where the system or the file system has none."""
    if not hasattr(os, "listxattr"):
        return {}
    try:
        names = os.listxattr(path, follow_symlinks=False)
        return {name: os.getxattr(path, name, follow_symlinks=False) for name in names}
    except OSError as error:
        if error.errno in (errno.ENOTSUP, errno.EACCES, errno.EPERM):
            return {}
        raise
