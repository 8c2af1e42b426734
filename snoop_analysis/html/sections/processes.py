# SPDX-License-Identifier: Apache-2.0
"""Who made the calls."""

from typing import Final

from snoop_analysis.display.description import Table
from snoop_analysis.html.section import Section, Source

_MOST: Final = 50


def section(source: Source) -> Section:
    """The processes with most events."""
    counts = source.replay.breakdown("process", "program", "user").project(
        'process, program, "user", events, files, hits, misses, first_seen, last_seen'
    )
    rows = counts.limit(_MOST + 1).fetchall()
    note = f"The {_MOST} with most events." if len(rows) > _MOST else ""
    table = Table(counts.columns, rows[:_MOST], note)
    return Section("processes", "Processes", {"table": table})
