# SPDX-License-Identifier: Apache-2.0
"""Whether the events of a session are all there, each once, as far as ``seq`` tells."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from snoop_analysis.rows import consecutive_rows
from snoop_analysis.sqltext import statement

if TYPE_CHECKING:
    from snoop_analysis.capture import Capture
    from snoop_analysis.segments import Segment


@dataclass(frozen=True, slots=True)
class Sequence:
    """How many sequence numbers have no event, and how many events have that of another one."""

    missing: int = 0
    repeated: int = 0


def sequence(capture: Capture, session_no: int) -> Sequence:
    """What is wrong with the sequence numbers of a session.

    They begin behind those of the segments that were removed; else with the least there is.
    Nothing is known where a segment has none.

    Raises:
        CaptureError: a segment turns out to be damaged.
    """
    session = capture.sessions_found[session_no]
    segments = [one for one in session.segments if one.rows]
    if not segments or not all("seq" in one.columns.names for one in segments):
        return Sequence()
    removed = session.dropped.last_seq
    begin = None if removed is None else removed + 1
    ranges = _ranges(segments)
    if ranges and (begin is None or begin <= ranges[0][0]):
        ((consecutive,),) = capture.query(consecutive_rows(session_no, segments)).fetchall()
        if consecutive:
            first, last = ranges[0][0] if begin is None else begin, ranges[-1][1]
            return Sequence(missing=last - first + 1 - session.rows)
    return _counted(capture, session_no, begin)


def _ranges(segments: Iterable[Segment]) -> list[tuple[int, int]]:
    """First and last seq of segments, in order; empty if they may hold one twice, or lack one."""
    ranges = [one.dense_range for one in segments]
    known = sorted(one for one in ranges if one)
    apart = all(last < first for (_, last), (first, _) in pairwise(known))
    return known if apart and len(known) == len(ranges) else []


def _counted(capture: Capture, session_no: int, begin: int | None) -> Sequence:
    """Likewise by counting all numbers."""
    query = statement("sequence")
    for mark, value in (("$session_no", session_no), ("$begin", begin or 0)):
        query = query.replace(mark, str(value))
    ((events, distinct, first, last),) = capture.query(query).fetchall()
    wanted = last - (first if begin is None else begin) + 1
    return Sequence(missing=max(0, wanted - distinct), repeated=events - distinct)
