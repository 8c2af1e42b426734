# SPDX-License-Identifier: Apache-2.0
"""All files, as data; scripts/files.js searches, sorts and shows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from snoop_analysis.display.cells import cell
from snoop_analysis.display.containers import labels
from snoop_analysis.html.packing import packed
from snoop_analysis.html.section import Section, Source
from snoop_analysis.sqltext import statement


def section(source: Source) -> Section | None:
    """The columns of all files, in the order of their names."""
    found = source.replay.query(statement("page_files")).fetchall()
    if not found:
        return None
    known = labels((container, cgroup_id) for _, container, cgroup_id, *_ in found)
    rows = sorted(
        (cell(name), known[container, cgroup_id], *others)
        for name, container, cgroup_id, *others in found
    )
    names, containers, events, hits, misses, first_us, calls = zip(*rows, strict=True)
    began = source.began_us or 0
    data = {
        "name": names,
        "container": _numbered(containers),
        "events": events,
        "hits": hits,
        "misses": misses,
        "first": [None if one is None else (one - began) / 1e6 for one in first_us],
        "calls": _numbered(calls),
    }
    several = len(known) > 1
    return Section("files", "Files", {"data": packed(data), "count": len(rows), "several": several})


def _numbered(values: Sequence[str]) -> dict[str, list[Any]]:
    """The distinct values, and for each row the place of its value among them."""
    distinct = sorted(set(values))
    places = {value: place for place, value in enumerate(distinct)}
    return {"values": distinct, "places": [places[value] for value in values]}
