# SPDX-License-Identifier: Apache-2.0
"""What the page is about, in a title and a sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from snoop_analysis.display.cells import counted, shortened
from snoop_analysis.names import shown
from snoop_analysis.terminal import printable

if TYPE_CHECKING:
    from snoop_analysis.report import Report

_NAMES: Final = 3


def title(report: Report) -> str:
    """Whose files these are; of many containers the first few are named.

    Not those without events, unless there are no others: nothing need have run in the cgroup of a
    pod itself.
    """
    busy = [one for one in report.containers if one.total_events]
    names = sorted({one.name for one in busy or report.containers})
    said = ", ".join(shortened(printable(shown(name))) for name in names[:_NAMES])
    more = f" and {len(names) - _NAMES:,} more" if len(names) > _NAMES else ""
    return f"Files used by {said or 'no container'}{more}"


def lead(report: Report) -> str:
    """The page in one sentence."""
    if not report.total_events:
        return "The recording has no call of a known container."
    files, found = report.distinct_files, report.distinct_found_files
    return (
        f"{counted(report.total_events, 'recorded call')} asked for {counted(files, 'file')}: "
        f"{found:,} found at least once, {files - found:,} never."
    )
