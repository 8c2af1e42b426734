# SPDX-License-Identifier: Apache-2.0
"""Events that came since one looked last."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from snoop_analysis.names import shown
from snoop_analysis.sqltext import statement
from snoop_analysis.terminal import printable

if TYPE_CHECKING:
    from snoop_analysis.capture import Capture
    from snoop_analysis.sessions import Key


def new_events(
    capture: Capture, positions: Mapping[Key, int] | None, lines: int
) -> tuple[dict[Key, int], Iterator[str]]:
    """The events from ``positions`` on, a line each, and the positions behind them.

    Args:
        capture: opened just now.
        positions: by host and id of a session, the first seq not seen; null at first.
        lines: without positions, so many events from the end.
    """
    ends = capture.positions()
    tests = [
        f"session_no = {number} AND seq >= {(positions or {}).get(session.key, 0)}"
        for number, session in enumerate(capture.sessions_found)
    ]
    query = statement("following").replace("/* new */", " OR ".join(tests) or "FALSE")
    limit = f" LIMIT {lines}" if positions is None else ""
    rows = capture.query(query.rstrip(";\n") + limit).fetchall()
    return ends, (_line(row) for row in reversed(rows))


def _line(row: tuple[Any, ...]) -> str:
    time, container, process, call, outcome, file = row
    words = (time or "-", container or "-", process, call or "-", outcome, shown(file or ""))
    return "  ".join(printable(word) for word in words)
