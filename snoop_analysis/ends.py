# SPDX-License-Identifier: Apache-2.0
"""Sessions whose end is not there, or may not be: what came last may be missing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from snoop_analysis.terminal import printable

if TYPE_CHECKING:
    from snoop_analysis.replay import Replay
    from snoop_analysis.sessions import Session


def without_end(replay: Replay) -> list[Session]:
    """The sessions that the replay has not to their end, as far as it asks for that.

    Those that say that they have not ended: they are still being recorded or their recorder was
    killed, which cannot be told apart in a copy. And those of which another recorder wrote down
    that it was killed: what it had not yet written is gone.
    """
    sessions = enumerate(replay.capture.sessions_found)
    return [
        session
        for number, session in sessions
        if (session.is_open or session.recovered_at is not None)
        and not _reaches(replay, number, replay.settings.until)
    ]


def sentences(without_end: Sequence[str], killed: Sequence[str]) -> Iterator[str]:
    """What is said of sessions that nobody ended, and of those that were killed, by their ids."""
    if without_end:
        yield (
            "still being recorded, or the recorder was killed: what came after the last write "
            f"is missing ({printable(', '.join(without_end))})"
        )
    if killed:
        sessions = printable(", ".join(killed))
        yield f"the recorder was killed: what came after its last write is missing ({sessions})"


def _reaches(replay: Replay, session_no: int, until: datetime | None) -> bool:
    """Whether a session has an event at or after the time up to which was asked for.

    A recorder writes in the order of time: then what came before is there.
    """
    if until is None:
        return False
    query = f"SELECT max(ts) FROM rows WHERE session_no = {session_no}"
    ((last,),) = replay.query(query).fetchall()
    return last is not None and last >= until
