# SPDX-License-Identifier: Apache-2.0
"""Who made the calls."""

from typing import Final

from snoop_analysis.display.description import Table
from snoop_analysis.html.section import Section, Source

_MOST: Final = 50
_SECONDS: Final = "CASE WHEN is_plausible({0}) THEN (epoch_us({0}) - {1}) / 1e6 END"


def section(source: Source) -> Section:
    """The processes with most events."""
    first, last = (
        _SECONDS.format(column, source.began_us or 0) for column in ("first_seen", "last_seen")
    )
    counts = source.replay.breakdown("process", "program", "user").project(
        'process, program, "user", events, files, hits AS "calls found", '
        f'misses AS "calls missed", {first} AS "first at, s", {last} AS "last at, s"'
    )
    rows = counts.limit(_MOST + 1).fetchall()
    note = f"The {_MOST} with most events." if len(rows) > _MOST else ""
    return Section(
        "processes", "Processes", {"table": Table(counts.columns, rows[:_MOST], note).filled()}
    )
