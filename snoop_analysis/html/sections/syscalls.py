# SPDX-License-Identifier: Apache-2.0
"""Which system calls were made."""

from snoop_analysis.display.description import Table
from snoop_analysis.html.figure import figure
from snoop_analysis.html.section import Section, Source


def section(source: Source) -> Section:
    """The picture, and all calls as a table."""
    calls = source.replay.breakdown("syscall").project(
        'syscall, events, files, hits AS "calls found", misses AS "calls missed"'
    )
    label = "Calls by system call; the table that follows has the numbers"
    return Section(
        "syscalls",
        "System calls",
        {
            "picture": figure(source.replay, lambda plots: plots.syscalls(), label),
            "table": Table(calls.columns, calls.fetchall()),
        },
    )
