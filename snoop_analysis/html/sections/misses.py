# SPDX-License-Identifier: Apache-2.0
"""What programs looked for and did not find."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from snoop_analysis.display.description import Table
from snoop_analysis.html.figure import figure
from snoop_analysis.html.section import Section, Source
from snoop_analysis.lookups import failed_lookups

if TYPE_CHECKING:
    from snoop_analysis.replay import Replay

_MOST: Final = 50
# errno(3), and what the manual pages of the calls on paths say of each.
_MEANINGS: Final = {
    "ENOENT": "there is no such name",
    "EINVAL": "of readlink: it is no symbolic link (how programs find out where a path leads)",
    "ENOTDIR": "a part of the path is no directory",
    "EACCES": "not allowed by permissions",
    "EPERM": "not allowed",
    "EEXIST": "it is there already",
    "ELOOP": "a symbolic link where none may be, or too many",
    "ENODATA": "it has no such extended attribute",
    "EOPNOTSUPP": "the file system has no such thing",
    "EROFS": "the file system is read-only",
    "ENOTEMPTY": "the directory is not empty",
    "EISDIR": "it is a directory",
    "EXDEV": "on another file system",
    "EBUSY": "in use",
    "ENXIO": "nothing is at the other end of it",
    "ENOEXEC": "it is no program",
    "ETXTBSY": "a program that is running",
    "ENAMETOOLONG": "the name is too long",
    "ERANGE": "the answer has no room",
}


def section(source: Source) -> Section:
    """The directories with most failed calls, the errors, and the lookups that cost most."""
    label = "Failed calls by directory and error; tables follow"
    return Section(
        "misses",
        "Misses",
        {
            "picture": figure(source.replay, lambda plots: plots.misses(), label),
            "errors": _errors(source.replay),
            "table": _lookups(source.replay, several=len(source.report.containers) > 1),
        },
    )


def _errors(replay: Replay) -> Table:
    counts = replay.breakdown("errno").filter("misses > 0").project("errno, files, misses")
    rows = [
        (error, calls, files, _MEANINGS.get(error)) for error, files, calls in counts.fetchall()
    ]
    return Table(("error", "calls", "files", "means"), rows)


def _lookups(replay: Replay, several: bool) -> Table:
    """Names that are not there, by program and directory; the container where there are more."""
    lookups = failed_lookups(replay).project(
        ("container, " if several else "")
        + 'misses AS "calls missed", names, found AS "calls found", prefix AS directory, '
        "program, example, advice"
    )
    rows = lookups.limit(_MOST + 1).fetchall()
    note = f"The {_MOST} most frequent ones." if len(rows) > _MOST else ""
    return Table(lookups.columns, rows[:_MOST], note).filled()
