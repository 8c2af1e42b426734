# SPDX-License-Identifier: Apache-2.0
"""Links and mounts that programs made meanwhile: by them a name leads into the image unseen."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import Final

_MOST_NAMES: Final = 1000  # that one name may have: links can be made in circles


class MadeWays:
    """What was behind links and mounts that are not in the image.

    Attributes:
        unfollowed: names that lead on and on.

    Args:
        ways: the names of links and mount points, and what was behind each.
        resolved: the path in the image that a name leads to; None if it leads to nothing there.
    """

    def __init__(
        self, ways: Iterable[tuple[str, str]], resolved: Callable[[str], str | None]
    ) -> None:
        self.unfollowed: set[str] = set()
        self._resolved = cache(resolved)
        self._targets: dict[str, list[str]] = {}
        absolute = [(name, posixpath.join(posixpath.dirname(name), end)) for name, end in ways]
        made = {known for name, _ in absolute for known in (name, self._own(name))}
        for name, target in absolute:
            plain = posixpath.normpath(target)  # what ``..`` leads out of may have been made, too
            is_there = self._resolved(target) or self._resolved(plain)
            if is_there or not made.isdisjoint(_beginnings(plain)):
                for known in dict.fromkeys((name, self._own(name))):
                    self._targets.setdefault(known, []).append(target)

    def names(self, given: Iterable[str], follow: bool) -> list[str]:
        """The other names of what these name, through what was made.

        Args:
            given: names.
            follow: also what was made at their end.
        """
        given = list(given)
        found = dict.fromkeys(given)
        for name in given if self._targets else ():
            new = [name]
            while new and len(found) < _MOST_NAMES:
                more = [other for one in new for other in self._behind(one, follow)]
                new = [one for one in dict.fromkeys(more) if one not in found]
                found.update(dict.fromkeys(new))
            if new:
                self.unfollowed.add(name)
        return [name for name in found if name not in given]

    def _behind(self, name: str, follow: bool) -> Iterator[str]:
        for beginning in _beginnings(name):
            rest = name[len(beginning) :]
            plain = posixpath.normpath(beginning)
            for known in dict.fromkeys((plain, self._own(plain))) if rest or follow else ():
                for target in self._targets.get(known, ()):
                    yield target + rest

    def _own(self, name: str) -> str:
        """A name of which only the last part may still be a link."""
        directory, last = posixpath.split(posixpath.normpath(name))
        return posixpath.join(self._resolved(directory) or directory, last)


def _beginnings(name: str) -> list[str]:
    """A name cut behind each of its parts, and whole."""
    ends = [place for place, letter in enumerate(name) if letter == "/" and place]
    return [name[:end] for end in (*ends, len(name))]
