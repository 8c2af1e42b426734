# SPDX-License-Identifier: Apache-2.0
"""Events in equal intervals of time, and the axis they stand on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from snoop_analysis.display.times import unit_of
from snoop_analysis.sqltext import statement

if TYPE_CHECKING:
    from snoop_analysis.replay import Replay

_EXACT_US: Final = 1_000_000  # shorter units need the fraction of the second they begin at
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Interval:
    """Events of a container from ``start`` to ``end``, in the unit of the axis.

    ``container_no`` is null for all unknown containers together.
    """

    container_no: int | None
    start: float
    end: float
    found: int
    missed: int
    without_result: int


@dataclass(frozen=True, slots=True)
class TimeAxis:
    """``title`` says the unit and where it begins; ``untimed`` events stand nowhere on it."""

    title: str
    untimed: int


def intervals(replay: Replay, number: int) -> tuple[TimeAxis, list[Interval]]:
    """The events of a replay in at most ``number`` intervals, empty ones left out."""
    ((first_us, last_us),) = replay.query("SELECT first_us, last_us FROM covered").fetchall()
    query = statement("intervals").replace("/* intervals */", str(number))
    rows = replay.query(query).fetchall()
    unit, length = unit_of((last_us or 0) - (first_us or 0))
    found = [_interval(row, length) for row in rows]
    ((events,),) = replay.query("SELECT count(*) FROM selected").fetchall()
    drawn = sum(one.found + one.missed + one.without_result for one in found)
    began = _EPOCH + timedelta(microseconds=first_us or 0)
    precise = began.isoformat(" ", "seconds" if length >= _EXACT_US else "microseconds")
    title = f"{unit} since {precise.removesuffix('+00:00')} UTC"
    return TimeAxis(title, events - drawn), found


def _interval(row: Sequence[Any], unit_us: int) -> Interval:
    container_no, number, width_us, found, missed, without_result = row
    start, end = (edge * width_us / unit_us for edge in (number, number + 1))
    return Interval(container_no, start, end, found, missed, without_result)
