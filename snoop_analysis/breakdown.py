# SPDX-License-Identifier: Apache-2.0
"""Counts by one or several keys."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from snoop_analysis.errors import OptionError
from snoop_analysis.sqltext import statement

if TYPE_CHECKING:
    import duckdb

    from snoop_analysis.replay import Replay

# Keys an event has by itself, as SQL over a row of `selected` (or `results`).
_OF_EVENT: Final = {
    "syscall": "syscall",
    "process": "coalesce(comm, '?') || '[' || pid || ']'",
    "program": "coalesce(exe, comm)",
    "errno": "CASE WHEN ret >= 0 THEN 'ok' ELSE errno_name(ret) END",
    "note": "note",
    "user": "uid",
    "hour": "strftime(date_trunc('hour', ts), '%Y-%m-%dT%H:00Z')",
}
# Keys that follow from its container and name, as SQL over a row of `lookups`.
_DIRECTORY: Final = "coalesce(nullif(regexp_replace(nullif(file, ''), '/[^/]*$', ''), ''), '/')"
_OF_NAME: Final = {
    "container": "container",
    "file": "nullif(file, '')",
    "directory": f"CASE WHEN file <> '' THEN {_DIRECTORY} END",
    "extension": r"nullif(regexp_extract(file, '[^/](\.[^/.]+)$', 1), '')",
}
_CALLS_BY_NAME: Final = (
    "SELECT name_key(lookups) AS name_key, events, hits, misses, first_ts AS first_seen, "
    "last_ts AS last_seen FROM lookups"
)
_TO_DEPTH: Final = re.compile(r"directory:([1-9]\d{0,3})")

NAMES: Final = (*_OF_EVENT, *_OF_NAME, "directory:DEPTH", "result")


def breakdown(replay: Replay, keys: Sequence[str]) -> duckdb.DuckDBPyRelation:
    """Counts of a replay's events by ``keys``, most events first.

    Columns: one for each key, with its name, null where an event has none; then those of
    ``sql/breakdown.sql``.

    Raises:
        OptionError: there is no such key.
    """
    if not keys:
        raise OptionError(f"a breakdown needs a key: {', '.join(NAMES)}")
    for key in keys:
        if not isinstance(key, str):
            raise OptionError(
                f"a key of a breakdown is text, and not {key!r}: breakdown('syscall', 'errno')"
            )
    event_keys, name_keys = "", ""
    for key in dict.fromkeys(keys):
        if key == "result" or key in _OF_EVENT:
            event_keys += f'{_OF_EVENT.get(key, key)} AS "{key}", '
        else:
            name_keys += f'{_name_key(key)} AS "{key}", '
    names = ", ".join(f'"{key}"' for key in dict.fromkeys(keys))
    return replay.query(
        statement("breakdown")
        .replace("/* grouped */", _grouped(replay, event_keys))
        .replace("/* name keys */", name_keys)
        .replace("/* keys */", names)
    )


def _grouped(replay: Replay, event_keys: str) -> str:
    """The query for the calls by name and by these keys; without any it is answered already."""
    if not event_keys:
        return _CALLS_BY_NAME
    source = replay.results_view() if '"result"' in event_keys else "selected"
    return (
        statement("calls_by_key")
        .rstrip(";\n")
        .replace("/* event keys */", event_keys)
        .replace("/* source */", source)
    )


def depth_of(key: str) -> int | None:
    """The depth in a key ``directory:DEPTH``; null of any other key."""
    depth = _TO_DEPTH.fullmatch(key)
    return int(depth[1]) if depth else None


def _name_key(key: str) -> str:
    depth = depth_of(key)
    if depth:
        parts = f"string_split({_DIRECTORY}, '/')[2:{depth + 1}]"
        return f"CASE WHEN file <> '' THEN '/' || array_to_string({parts}, '/') END"
    if key not in _OF_NAME:
        raise OptionError(f"there is no breakdown by {key!r}; choose from {', '.join(NAMES)}")
    return _OF_NAME[key]
