# SPDX-License-Identifier: Apache-2.0
"""Where a replay ended, so that another can go on there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

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
        containers: identities of the containers there were.
        files: the files in the LRUs, columns as table ``carried_files`` of ``sql/carried.sql``
            with ``identity`` for ``container_no``.
        counts: what was counted, columns as ``carried_counts`` likewise.
        first_us: time of the first event in microseconds since 1970, null if none.
        last_us: time of the last event.
        implausible_times: events left out of the two before.
    """

    settings: Settings
    positions: Mapping[Key, int]
    containers: frozenset[str]
    files: pa.Table
    counts: pa.Table
    first_us: int | None
    last_us: int | None
    implausible_times: int


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
