# SPDX-License-Identifier: Apache-2.0
"""Whether anything is known to be missing: before everything else."""

from snoop_analysis.display.description import Table
from snoop_analysis.html.section import Section, Source
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
            "covered": report.completeness,
            "losses": losses,
        },
    )
