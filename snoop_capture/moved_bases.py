# SPDX-License-Identifier: Apache-2.0
"""Calls that moved the directory which their own relative path starts from.

A path is read, and its base named, when the call has returned: ``mv -T ../build ../other`` in
``build`` has moved what ``../build`` starts from by then, and what that was called is not known any
more. Such a row has no base.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from snoop_capture.layout import KIND_ROLE, MARK_BASE_UNRESOLVED, MARK_HAS_BASE
from snoop_capture.rows import Rows

Array = NDArray[Any]

CALLS: Final = ("rename", "renameat", "renameat2", "move_mount")
"""Those whose first path names what is moved, and whose second one where to."""


def forget(rows: Rows, moves: Array) -> None:
    """Take the base off rows of calls that have moved it.

    Args:
        rows: are changed.
        moves: whether each row is of one of ``CALLS``.
    """
    of_first_path = (rows.kind & np.uint32(KIND_ROLE)) == 0
    for old in np.flatnonzero(moves & of_first_path & (rows.ret == 0) & (rows.base >= 0)).tolist():
        new = old + 1  # a call writes its rows one after the other; that one may be lost
        known = new < len(rows) and rows.ts[new] == rows.ts[old]
        names = _names(rows, old)
        level = moved_level(_path(rows, old), _path(rows, new) if known else b"", names)
        if level is None:
            continue
        for row in (old, new) if known else (old,):
            if rows.base[row] >= 0 and _names(rows, row)[level - len(names) :] == names[level:]:
                rows.base[row] = -1
                rows.mark[row] = int(rows.mark[row]) & ~MARK_HAS_BASE | MARK_BASE_UNRESOLVED


def moved_level(old: bytes, new: bytes, names: list[bytes]) -> int | None:
    """How far above the base what a call has moved is, 0 being the base itself; null if it is not.

    As far as the paths say without symbolic links.

    Args:
        old: the relative path of what was moved.
        new: the path of where it is now; empty if it is not known.
        names: of the base as it is called now, from the leaf to the root.
    """
    ups, below = 0, 0
    for part in old.split(b"/"):
        if part == b"..":
            ups, below = (ups, below - 1) if below else (ups + 1, 0)
        elif part not in (b"", b"."):
            below += 1
    level = ups - below
    if not 0 <= level < len(names):
        return None
    last = new.rstrip(b"/").rpartition(b"/")[2]
    return level if last in (names[level], b"", b".", b"..") else None


def _names(rows: Rows, row: int) -> list[bytes]:
    """The names of a row's base, from the leaf to the root."""
    base: bytes = rows.bases[rows.base[row]]
    return base.split(b"\0")[:-1]


def _path(rows: Rows, row: int) -> bytes:
    start = rows.path_ends[row - 1] if row else 0
    path: bytes = rows.path_data[start : rows.path_ends[row]].tobytes()
    return path
