# SPDX-License-Identifier: Apache-2.0
"""Calls that moved the directory which their own relative path starts from.

A path is read, and its base named, when the call has returned: ``mv -T ../build ../other`` in
``build`` has moved what ``../build`` starts from by then, and what that was called is not known any
more. Such a row has no base.

Whether a base was moved follows from the two paths, as far as they say so without symbolic links: a
call moves what the one names, its source, to where the other one says, its target. What has gone
along with it is now at the target or below. So each directory that a base is at or below now may be
the target; it is if the paths lead to it from where the bases were then.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from snoop_capture.layout import (
    KIND_INDEX,
    KIND_ROLE,
    MARK_BASE_DELETED,
    MARK_BASE_UNRESOLVED,
    MARK_BLOCKED,
    MARK_HAS_BASE,
    MARK_UNREADABLE,
)
from snoop_capture.rows import Rows

Array = NDArray[Any]

_MOVES: Final = 1
_RENAMEAT2: Final = 2
_MOUNT: Final = 3
CALLS: Final = {
    "rename": _MOVES,
    "renameat": _MOVES,
    "renameat2": _RENAMEAT2,
    "move_mount": _MOVES,
    "mount": _MOUNT,
}
"""Those whose first path names what is moved, and whose second one where to; and how."""

_RENAME_EXCHANGE: Final = 2  # include/uapi/linux/fs.h
# Flags of mount(2), include/uapi/linux/mount.h: it moves if it does nothing that goes before that.
_MS_MOVE: Final = 0x2000
_MS_OTHERS: Final = 0x1E1020  # MS_REMOUNT, MS_BIND, and four that change how mounts propagate
_MS_MGC_MSK: Final = 0xFFFF0000
_MS_MGC_VAL: Final = 0xC0ED0000  # means nothing

Names = list[bytes | None]
"""Of a directory, from the root to the leaf; behind a first one of None, the last ones alone."""


@dataclass(frozen=True, slots=True)
class Lookup:
    """A path of a call: it starts from a directory, leads up from there, and then down.

    Attributes:
        start: what that directory is called after the call; the root for an absolute path.
        movable: whether the call may have moved that directory.
        ups: how many levels up.
        names: what leads down.
    """

    start: Names
    movable: bool
    ups: int
    names: Names

    @property
    def top(self) -> int:
        """How far above the start what the path names is, if it leads up to what it came from."""
        return self.ups - len(self.names)


_UNKNOWN: Final = Lookup([None], movable=False, ups=0, names=[])


def forget(rows: Rows, how: Array) -> None:
    """Take the base off rows of calls that have moved it.

    Args:
        rows: are changed.
        how: of each row, what ``CALLS`` has for its call; 0 if it is not there.
    """
    second = (rows.kind & np.uint32(KIND_ROLE)) != 0
    follows = _follows(rows, second)
    has_base = rows.base >= 0
    has_base[:-1] |= has_base[1:] & follows[1:]
    for row in np.flatnonzero(_has_moved(rows, how) & has_base & ~follows).tolist():
        last = row + 1 if row + 1 < len(rows) and follows[row + 1] else row
        if not any(_may_lead_up(rows.path(end)) for end in (row, last)):
            continue
        old, new = None if second[row] else row, last if second[last] else None
        exchanges = how[row] == _RENAMEAT2 and int(rows.flags[row]) & _RENAME_EXCHANGE != 0
        moved = moved_starts(_lookup(rows, old, new), _lookup(rows, new, old), exchanges)
        for end, is_moved in zip((old, new), moved, strict=True):
            if end is not None and is_moved and rows.base[end] >= 0:
                rows.base[end] = -1
                rows.mark[end] = int(rows.mark[end]) & ~MARK_HAS_BASE | MARK_BASE_UNRESOLVED


def moved_starts(old: Lookup, new: Lookup, exchanges: bool) -> tuple[bool, bool]:
    """Whether a call has moved where its first path starts, and where its second one does.

    Args:
        old: the first path.
        new: the second one.
        exchanges: whether what each names is moved to the other.
    """
    if old == new:
        return False, False
    return (
        _took_start_of_source(old, new, exchanges)
        or (exchanges and _took_start_of_target(new, old, exchanges)),
        _took_start_of_target(old, new, exchanges)
        or (exchanges and _took_start_of_source(new, old, exchanges)),
    )


def _has_moved(rows: Rows, how: Array) -> Array:
    """Whether each row is of a call that moved something."""
    flags = rows.flags & np.uint64(0xFFFFFFFF)
    magic = (flags & np.uint64(_MS_MGC_MSK)) == _MS_MGC_VAL
    flags = np.where(magic, flags & np.uint64(~_MS_MGC_MSK & 0xFFFFFFFF), flags)
    moves = (how != _MOUNT) | ((flags & np.uint64(_MS_MOVE | _MS_OTHERS)) == _MS_MOVE)
    answered = (rows.mark & np.uint32(MARK_BLOCKED)) != 0  # instead of the kernel
    found: Array = (how != 0) & moves & (rows.ret == 0) & ~answered
    return found


def _follows(rows: Rows, second: Array) -> Array:
    """Whether each row is that of the second path of a call, right behind that of the first.

    A call writes its rows one after the other; either may be lost.
    """
    found = np.zeros(len(rows), bool)
    call = rows.kind & np.uint32(KIND_INDEX)
    found[1:] = second[1:] & ~second[:-1] & (call[1:] == call[:-1]) & (rows.ts[1:] == rows.ts[:-1])
    return found


def _lookup(rows: Rows, row: int | None, other: int | None) -> Lookup:
    """The path of a row; ``other`` is that of the call's other path, or None.

    An empty path, and what mount(2) gets, have no base: from the same descriptor they start where
    the other path does.
    """
    if row is None or int(rows.mark[row]) & MARK_UNREADABLE:
        return _UNKNOWN
    path = rows.path(row)
    ups, names = _parsed(path)
    if path.startswith(b"/"):
        return Lookup([], movable=False, ups=0, names=names)
    for at in (row, other):
        if at is not None and rows.base[at] >= 0 and rows.dirfd[at] == rows.dirfd[row]:
            removed = int(rows.mark[at]) & MARK_BASE_DELETED
            return Lookup(_names(rows, at), movable=not removed, ups=ups, names=names)
    return Lookup([None], movable=False, ups=ups, names=names)


def _took_start_of_source(source: Lookup, target: Lookup, exchanges: bool) -> bool:
    """Was what ``source`` starts from moved along with what it names?"""
    if not source.movable:
        return False
    for level in range(min(source.top + 1, len(source.start))):
        place, was = _above(source, level), _named_from_below(source, level)
        if any(_matches(names, place) for names in _targets(target, place, was, exchanges)):
            return True
    return False


def _took_start_of_target(source: Lookup, target: Lookup, exchanges: bool) -> bool:
    """Was what ``target`` starts from moved along with what ``source`` names?"""
    if not target.movable:
        return False
    for level in range(min(target.ups, len(target.start))):
        place = _above(target, level)
        for was in _sources(source, place, exchanges):
            if was != place and _matches(_from(target, was, level), place):
                return True
    return False


def _targets(target: Lookup, place: Names, was: Names, exchanges: bool) -> Iterator[Names]:
    """What ``target`` may have named before ``was`` was moved to ``place``."""
    level = _level_below(target, place)
    if level is not None:
        if level < target.ups:  # else it is moved to below itself
            yield _from(target, was, level)
        return
    yield _from(target, target.start, 0)
    crossing = exchanges and target.movable and 0 <= target.top < len(target.start)
    if crossing and _matches(was, _above(target, target.top)):  # its start went the other way
        yield _named_from_below(target, target.top)


def _sources(source: Lookup, place: Names, exchanges: bool) -> Iterator[Names]:
    """What ``source`` may have named before that was moved to ``place``."""
    level = _level_below(source, place)
    if level is not None:
        if level <= source.top:
            yield _named_from_below(source, level)
        return
    yield _from(source, source.start, 0)
    if exchanges and source.movable:  # its start may have gone the other way
        level = (len(source.start) - len(place) + source.top) // 2
        if 0 <= level < min(source.ups, len(source.start)):
            was = _above(source, level)
            if _from(source, place, level) == was:
                yield was


def _above(path: Lookup, level: int) -> Names:
    """The directory so many levels above a path's start."""
    return path.start[: len(path.start) - level]


def _level_below(path: Lookup, place: Names) -> int | None:
    """How far below a directory, where something was moved to, a path starts; None: elsewhere."""
    below = path.movable and path.start[: len(place)] == place
    return len(path.start) - len(place) if below else None


def _from(path: Lookup, directory: Names, level: int) -> Names:
    """What a path names that starts so many levels below a directory, and leads above that."""
    unknown = directory[:1] == [None]
    return directory[: max(len(directory) - path.ups + level, int(unknown))] + path.names


def _named_from_below(path: Lookup, level: int) -> Names:
    """What a path names that starts so many levels below just that, at most ``path.top``."""
    return path.names if level < path.top else [None, *path.names]  # the first leads to the root


def _matches(names: Names, place: Names) -> bool:
    """Are these the names of a directory, all of them or the last ones?"""
    if names[:1] != [None]:
        return names == place
    last = names[1:]
    return len(place) >= len(last) and place[len(place) - len(last) :] == last


def _may_lead_up(path: bytes) -> bool:
    """Can a path name what it starts from, or lead above that? Few do."""
    return b".." in path or not path.strip(b"./")


def _parsed(path: bytes) -> tuple[int, Names]:
    """How many levels a path leads up, and by which names down."""
    ups = 0
    names: Names = []
    for part in path.split(b"/"):
        if part == b".." and names:
            names.pop()
        elif part == b"..":
            ups += 1
        elif part not in (b"", b"."):
            names.append(part)
    return ups, names


def _names(rows: Rows, row: int) -> Names:
    """The names of a row's base."""
    base: bytes = rows.bases[rows.base[row]]
    return [*base.split(b"\0")[-2::-1]]
