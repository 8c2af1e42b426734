# SPDX-License-Identifier: Apache-2.0
"""Sessions whose end is not there, or that ended before what they record: what came last."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from snoop_analysis.terminal import printable

if TYPE_CHECKING:
    from snoop_analysis.sessions import Session


def without_end(sessions: Iterable[Session]) -> list[Session]:
    """The sessions whose last events may be missing.

    Those that say that they have not ended: they are still being recorded or their recorder was
    killed, which cannot be told apart in a copy. And those of which another recorder wrote down
    that it was killed: what it had not yet written is gone. That may be of any time: a request of
    io_uring is written when it completes.
    """
    return [one for one in sessions if one.is_open or one.recovered_at is not None]


def sentences(
    without_end: Sequence[str], killed: Sequence[str], left_running: int
) -> Iterator[str]:
    """What is said of sessions that nobody ended, and of those that were killed, by their ids.

    And of processes of a command that went on when its recording had ended.
    """
    if without_end:
        yield (
            "still being recorded, or the recorder was killed: what came after the last write "
            f"is missing ({printable(', '.join(without_end))})"
        )
    if killed:
        sessions = printable(", ".join(killed))
        yield f"the recorder was killed: what came after its last write is missing ({sessions})"
    if left_running:
        left = "1 process" if left_running == 1 else f"{left_running:,} processes"
        were, they = ("was", "it") if left_running == 1 else ("were", "they")
        yield (
            f"{left} of the command {were} left running when recording ended: "
            f"what {they} did then is not recorded"
        )
