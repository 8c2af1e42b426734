# SPDX-License-Identifier: Apache-2.0
"""What is not known of events without a time, in words."""

from collections.abc import Iterator

from snoop_analysis.display.cells import counted


def sentences(events: int) -> Iterator[str]:
    """A sentence about events that count, though they may lie outside of the time asked for."""
    if events:
        yield (
            f"{counted(events, 'event')} counted without a time, or of which only a summary is "
            "left: some may be outside of the time asked for"
        )
