# SPDX-License-Identifier: Apache-2.0
"""Whether anything is known to be missing: before everything else."""

from datetime import datetime

from snoop_analysis.display.description import Table
from snoop_analysis.display.times import covered
from snoop_analysis.html.section import Section, Source
from snoop_analysis.report import Completeness
from snoop_analysis.summary import missing


def section(source: Source) -> Section:
    """In words, and the losses by cause."""
    report = source.report
    losses = Table(("cause", "calls lost"), [row for row in report.losses.items() if row[1]])
    return Section(
        "completeness",
        "Completeness",
        {
            "complete": report.completeness.complete,
            "sentences": list(missing(report)),
            "recorded": _recorded(report.completeness),
            "losses": losses,
        },
    )


def _recorded(said: Completeness) -> str | None:
    if not said.first_event or not said.last_event:
        return None
    return covered(*map(datetime.fromisoformat, (said.first_event, said.last_event)))
