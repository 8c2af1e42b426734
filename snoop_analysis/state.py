# SPDX-License-Identifier: Apache-2.0
"""Where a replay ended, so that another can go on there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from snoop_analysis.sequence import Sequence, rows_before_positions
from snoop_analysis.sessions import Key
from snoop_analysis.settings import Settings

if TYPE_CHECKING:
    from snoop_analysis.capture import Capture


@dataclass(frozen=True, slots=True)
class State:
    """Where a replay ended. As large as the number of files.

    Attributes:
        settings: of the replay; the next one must have the same.
        positions: the first seq not yet replayed, by host and id of the session.
        rows: events before them, those that were removed included, by the same.
        sequences: what is wrong with their sequence numbers.
        left_out: what could not be read, a sentence each.
        containers: identities of the containers there were.
        files: the files in the LRUs, columns as table ``carried_files`` of ``sql/carried.sql``
            with ``identity`` for ``container_no``.
        counts: what was counted, columns as ``carried_counts`` likewise.
        first_us: time of the first event in microseconds since 1970, null if none.
        last_us: time of the last event.
        implausible_times: events left out of the two before.
        undated_events: events that count, though they may lie outside of the time asked for.
    """

    settings: Settings
    positions: Mapping[Key, int]
    rows: Mapping[Key, int]
    sequences: Mapping[Key, Sequence]
    left_out: frozenset[str]
    containers: frozenset[str]
    files: pa.Table
    counts: pa.Table
    first_us: int | None
    last_us: int | None
    implausible_times: int
    undated_events: int


def obstacle(state: State, capture: Capture) -> str | None:
    """Why a replay of ``capture`` cannot go on from ``state``; null if it can."""
    sessions = {session.key: session for session in capture.sessions_found}
    for key, position in state.positions.items():
        session = sessions.get(key)
        if session is None:
            return f"session {key[1]} is gone"
        last = session.dropped.last_seq
        if last is not None and last >= position:
            return f"segments of session {key[1]} were removed before it read them"
    if state.left_out != set(capture.left_out):
        return "other parts of the capture than before cannot be read"
    rows = rows_before_positions(capture, state.positions)
    for key, number in state.rows.items():
        if rows[key] != number:
            return f"events of session {key[1]} came or went among those that it read"
    counted = set(state.counts.column("identity").to_pylist()) - {None}
    if not counted <= capture.identities():
        return "containers whose events it counted are not the same any more"
    unknown = state.counts.column("identity").null_count
    if unknown and capture.identities() != state.containers:
        return "containers have become known of which it counted events as unknown"
    if state.settings.max_unique_files and _grew_before_the_end(state, capture):
        return "a session grew that comes before others which it has read"
    return None


def _grew_before_the_end(state: State, capture: Capture) -> bool:
    """Whether there are events to replay that come before some that were replayed."""
    now = capture.positions()
    grew = False
    for session in capture.sessions_found:
        if grew and session.key in state.positions:
            return True
        grew = grew or now.get(session.key, 0) > state.positions.get(session.key, 0)
    return False
