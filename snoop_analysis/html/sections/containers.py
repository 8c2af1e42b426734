# SPDX-License-Identifier: Apache-2.0
"""Whose files these are."""

from snoop_analysis.display.description import Table
from snoop_analysis.html.figure import figure
from snoop_analysis.html.section import Section, Source
from snoop_analysis.sqltext import statement


def section(source: Source) -> Section:
    """A row for each container, and where there are several, when each was busy."""
    rows = source.replay.query(statement("container_listing"))
    table = Table(rows.columns, rows.fetchall()).filled()
    label = "Calls by container and time: the darker, the more calls"
    several = len(table.rows) > 1
    busy = figure(source.replay, lambda plots: plots.heatmap(), label) if several else None
    return Section("containers", "Containers", {"table": table, "busy": busy})
