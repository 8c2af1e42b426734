# SPDX-License-Identifier: Apache-2.0
"""Whether the events of a session are all there, each once, as far as ``seq`` tells.

Where a position is given, that is a seq: the first that an earlier replay did not read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from snoop_analysis.rows import consecutive_rows, segment_rows
from snoop_analysis.sqltext import statement

if TYPE_CHECKING:
    from snoop_analysis.capture import Capture
    from snoop_analysis.segments import Segment
    from snoop_analysis.sessions import Key


@dataclass(frozen=True, slots=True)
class Sequence:
    """How many sequence numbers have no event, and how many events have that of another one."""

    missing: int = 0
    repeated: int = 0


def sequence(capture: Capture, session_no: int, position: int | None = None) -> Sequence:
    """What is wrong with the sequence numbers of a session from a position on; null: with all.

    They begin there, or behind those of the segments that were removed; else with the least there
    is. Nothing is known where a segment has none.

    Raises:
        CaptureError: a segment turns out to be damaged.
    """
    session = capture.sessions_found[session_no]
    filled = [one for one in session.segments if one.rows]
    segments = [one for one in filled if position is None or not _ends_before(one, position)]
    if not segments or not all("seq" in one.columns.names for one in segments):
        return Sequence()
    ranges = _ranges(segments)
    removed = session.dropped.last_seq
    begin = removed + 1 if position is None and removed is not None else position
    if ranges and (position is not None or begin is None or begin <= ranges[0][0]):
        (consecutive,) = _answer(capture, consecutive_rows(session_no, segments))
        if consecutive:
            return Sequence(missing=_gaps(ranges, ranges[0][0] if begin is None else begin))
    return _counted(capture, session_no, begin, position or 0)


def rows_before_positions(capture: Capture, positions: Mapping[Key, int]) -> dict[Key, int]:
    """Events of sessions before positions; those that were removed count.

    Raises:
        CaptureError: a segment turns out to be damaged.
    """
    return {
        session.key: _rows_before(capture, number, positions[session.key])
        for number, session in enumerate(capture.sessions_found)
        if session.key in positions
    }


def _rows_before(capture: Capture, session_no: int, position: int) -> int:
    session = capture.sessions_found[session_no]
    known, before = session.dropped.rows, 0
    asked: list[str] = []
    for segment in session.segments:
        if _ends_before(segment, position):
            known += segment.rows
        elif segment.first_seq is None or segment.first_seq < position:
            asked += segment_rows(session_no, [segment], before=before)
        before += segment.rows
    if asked:
        query = f"SELECT count(*) FROM ({' UNION ALL '.join(asked)}) WHERE seq < {position}"
        (counted,) = _answer(capture, query)
        known += counted
    return known


def _ends_before(segment: Segment, position: int) -> bool:
    return segment.last_seq is not None and segment.last_seq < position


def _ranges(segments: Iterable[Segment]) -> list[tuple[int, int]]:
    """First and last seq of segments, in order; empty if they may hold one twice, or lack one."""
    ranges = [one.dense_range for one in segments]
    known = sorted(one for one in ranges if one)
    apart = all(last < first for (_, last), (first, _) in pairwise(known))
    return known if apart and len(known) == len(ranges) else []


def _gaps(ranges: Iterable[tuple[int, int]], begin: int) -> int:
    """Numbers from ``begin`` on that are in none of ``ranges``, but before the end of the last."""
    gaps = 0
    for first, last in ranges:
        gaps += max(0, first - begin)
        begin = last + 1
    return gaps


def _counted(capture: Capture, session_no: int, begin: int | None, position: int) -> Sequence:
    """What is wrong from ``position`` on, by counting all; the first ought to be ``begin``."""
    query = statement("sequence")
    marks = (("$session_no", session_no), ("$begin", begin or 0), ("$position", position))
    for mark, value in marks:
        query = query.replace(mark, str(value))
    events, distinct, first, last = _answer(capture, query)
    if not events:
        return Sequence()
    wanted = last - (first if begin is None else begin) + 1
    return Sequence(missing=max(0, wanted - distinct), repeated=events - distinct)


def _answer(capture: Capture, query: str) -> tuple[Any, ...]:
    """The one row that a query gives."""
    with capture.reading():
        (row,) = capture.query(query).fetchall()
        return tuple(row)
