# SPDX-License-Identifier: Apache-2.0
"""What stands above a verdict: how much was recorded, and what may be missing from it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from snoop_analysis import ends, rings, undated
from snoop_analysis.sqltext import statement

if TYPE_CHECKING:
    from snoop_analysis.closure import Closure
    from snoop_analysis.observed import Observed
    from snoop_analysis.replay import Replay
    from snoop_analysis.report import Completeness, Report

_MOVED: Final = "what its name led to since is not known"
_BEFORE: Final = "what it had opened is not known; restart it while recording"


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a verdict can be relied on.

    Attributes:
        doubts: why a file that was not observed may have been used all the same, a sentence each.
        captures: sessions.
        hosts: machines they were recorded on.
        recorded: time recorded, over all sessions.
        events: calls recorded of the containers that count.
        lost: calls without an event.
        evicted: files put out of the answer by a bound; there is none.
        gaps: segments that are missing or were removed.
        unresolved: names that could not be read or resolved.
        first, last: times of the first and last event.
    """

    doubts: tuple[str, ...]
    captures: int
    hosts: int
    recorded: timedelta
    events: int
    lost: int
    evicted: int
    gaps: int
    unresolved: int
    first: str | None
    last: str | None

    @property
    def complete(self) -> bool:
        """Whether nothing is known to be missing."""
        return not self.doubts

    def heading(self) -> list[str]:
        """The first lines of the answer: doubts before all else."""
        lines = []
        if self.doubts:
            lines = [
                "! UNCERTAIN: a file that was not observed may have been used all the same",
                *(f"! {one}" for one in self.doubts),
            ]
        said = (
            f"{self.captures} capture{'' if self.captures == 1 else 's'} "
            f"on {self.hosts} host{'' if self.hosts == 1 else 's'}, {duration(self.recorded)}, "
            f"{self.events:,} events: {_count(self.lost, 'lost')}, "
            f"{_count(self.evicted, 'evicted')}, "
            f"{_count(self.gaps, 'retention gaps')}, {_count(self.unresolved, 'unresolved names')}"
        )
        return [*lines, said]


def standing(replay: Replay, observed: Observed, closure: Closure) -> Standing:
    """What can be relied on in a verdict about the containers in the table ``counted``."""
    report = replay.report()
    lacks = report.completeness
    ((unreadable, unresolved),) = replay.query(statement("nameless")).fetchall()
    ((events,),) = replay.query(
        "SELECT coalesce(sum(events), 0)::BIGINT FROM stats SEMI JOIN counted USING (container_no)"
    ).fetchall()
    sessions = replay.capture.sessions_found
    times = [(one.started_at, one.ended_at or _time(lacks.last_event)) for one in sessions]
    return Standing(
        doubts=(
            *_doubts(report, events, unreadable, unresolved),
            *(
                f"{exe} was running before recording began: {_BEFORE}"
                for exe in sorted(observed.running)
            ),
            *(
                f"{name} was running before recording began: {_BEFORE}"
                for _, name in replay.query(statement("begun_before")).fetchall()
            ),
            *(
                f"{path} was renamed or replaced while it was recorded: {_MOVED}"
                for path in sorted(observed.moved)
            ),
            *(sentence for sentence, matters in closure.unknown.items() if matters),
        ),
        captures=len(sessions),
        hosts=len({one.host for one in sessions}),
        recorded=sum((end - start for start, end in times if start and end), timedelta()),
        events=events,
        lost=report.dropped_events,
        evicted=report.evictions,
        gaps=len(lacks.missing_segments) + len(lacks.earlier_segments_removed),
        unresolved=unreadable + unresolved,
        first=lacks.first_event,
        last=lacks.last_event,
    )


def _doubts(report: Report, events: int, unreadable: int, unresolved: int) -> Iterator[str]:
    if report.dropped_events:
        causes = ", ".join(f"{cause} {count:,}" for cause, count in report.losses.items() if count)
        yield f"{report.dropped_events:,} events were lost while recording: {causes}"
    if report.evictions:
        yield f"{report.evictions:,} files were put out by a bound on the number of files"
    if unresolved:
        yield f"{unresolved:,} relative paths have no known directory: they may mean any file"
    if unreadable:
        yield f"{unreadable:,} paths could not be read"
    yield from _gaps(report.completeness)
    if not events:
        yield "no event of these containers was recorded"


def _gaps(lacks: Completeness) -> Iterator[str]:
    yield from (f"left out: {sentence}" for sentence in lacks.left_out)
    if lacks.missing_segments:
        yield f"segments are missing: {', '.join(lacks.missing_segments)}"
    if lacks.missing_events:
        yield f"{lacks.missing_events:,} events are missing from the sequence"
    if lacks.earlier_segments_removed:
        yield f"retention removed the beginning of {', '.join(lacks.earlier_segments_removed)}"
    yield from undated.sentences(lacks.undated_events)
    yield from ends.sentences(
        lacks.still_recording, lacks.killed, lacks.left_running, lacks.moved_out
    )
    yield from rings.sentences(lacks.unrecorded_rings, lacks.lost_results)
    if lacks.torn_bytes:
        yield f"the last write was cut short: {lacks.torn_bytes:,} bytes left out"
    if lacks.unknown_container_events:
        yield f"{lacks.unknown_container_events:,} events are of containers that are not known"


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}" if number else f"none {what}" if what[-1] != "s" else f"no {what}"


def _time(said: str | None) -> datetime | None:
    return datetime.fromisoformat(said) if said else None


def duration(time: timedelta) -> str:
    """A duration in its two largest units: ``2 d 4 h``."""
    seconds = time.total_seconds()
    if seconds < 60:
        return f"{seconds:.1f} s"
    units = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))
    first = next(number for number, (_, size) in enumerate(units) if seconds >= size)
    rest = int(seconds)
    parts = []
    for name, size in units[first : first + 2]:
        parts.append(f"{rest // size} {name}")
        rest %= size
    return " ".join(parts)
