# SPDX-License-Identifier: Apache-2.0
"""Where this comes from: the sessions and the settings."""

from snoop_analysis.display.descriptions import of_capture
from snoop_analysis.html.section import Section, Source


def section(source: Source) -> Section:
    """The sessions as the capture shows them, and the settings of the replay."""
    (sessions,) = of_capture(source.replay.capture).tables
    settings = {name: value for name, value in source.replay.settings.as_dict().items() if value}
    return Section("recording", "Recording", {"sessions": sessions, "settings": settings})
