# SPDX-License-Identifier: Apache-2.0
"""What programs looked for and did not find."""

from typing import Final

from snoop_analysis.display.description import Table
from snoop_analysis.html.figure import figure
from snoop_analysis.html.section import Section, Source
from snoop_analysis.sqltext import statement

_MOST: Final = 50


def section(source: Source) -> Section:
    """The directories with most failed calls, and the lookups that cost most."""
    source.replay.execute(statement("calls"))
    lookups = source.replay.query(statement("failed_lookups"))
    rows = lookups.limit(_MOST + 1).fetchall()
    note = f"The {_MOST} most frequent ones." if len(rows) > _MOST else ""
    label = "Failed calls by directory and error; the table that follows has the numbers"
    return Section(
        "misses",
        "Misses",
        {
            "picture": figure(source.replay, lambda plots: plots.misses(), label),
            "table": Table(lookups.columns, rows[:_MOST], note),
        },
    )
