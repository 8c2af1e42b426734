# SPDX-License-Identifier: Apache-2.0
"""Times and spans of time for people."""

from datetime import UTC, datetime
from typing import Final

# Names, and microseconds.
UNITS: Final = (
    ("days", 86_400_000_000),
    ("hours", 3_600_000_000),
    ("minutes", 60_000_000),
    ("seconds", 1_000_000),
    ("milliseconds", 1_000),
    ("microseconds", 1),
)
_SECOND: Final = 1_000_000


def unit_of(span_us: int) -> tuple[str, int]:
    """The largest unit of which there is one in ``span_us``; of minutes and more, two."""
    enough = (unit for unit in UNITS if span_us >= unit[1] * (2 if unit[1] > _SECOND else 1))
    return next(enough, UNITS[-1])


def span(first: datetime, last: datetime) -> str:
    """How long it was from ``first`` to ``last``: ``7.8 seconds``."""
    delta = last - first
    span_us = round(delta.total_seconds() * 1e6)
    unit, length = unit_of(span_us)
    number = f"{span_us / length:,.1f}".removesuffix(".0")
    return f"{number} {unit.removesuffix('s') if number == '1' else unit}"


def to_the_second(time: datetime) -> str:
    """``time`` in UTC: ``2026-11-25 19:15:09``."""
    return time.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def covered(first: datetime, last: datetime) -> str:
    """From when to when, and how long that is; the day once, where it is one."""
    begin, end = to_the_second(first), to_the_second(last)
    if first == last:
        return f"at {begin} UTC"
    if begin == end:
        return f"at {begin} UTC, within {span(first, last)}"
    until = end.split(" ")[1] if begin[:10] == end[:10] else end
    return f"from {begin} to {until} UTC, {span(first, last)}"
