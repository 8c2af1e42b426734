# SPDX-License-Identifier: Apache-2.0
"""When the calls were made."""

from snoop_analysis.html.figure import figure
from snoop_analysis.html.section import Section, Source


def section(source: Source) -> Section:
    """The picture alone."""
    label = "Calls over time: those that found a file, that missed, that have no result"
    picture = figure(source.replay, lambda plots: plots.timeline(), label)
    return Section("timeline", "Timeline", {"picture": picture})
