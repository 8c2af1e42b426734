# SPDX-License-Identifier: Apache-2.0
"""Sessions whose end is not there, or that ended before what they record: what came last.

And processes that left what is recorded.
"""

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
    without_end: Sequence[str], killed: Sequence[str], left_running: int, moved_out: int
) -> Iterator[str]:
    """What is said of sessions that nobody ended, and of those that were killed, by their ids.

    And of processes of a command that went on when its recording had ended, and of those that went
    on in cgroups that were not recorded.
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
        left, were, they = _processes(left_running)
        yield (
            f"{left} of the command {were} left running when recording ended: "
            f"what {they} did then is not recorded"
        )
    if moved_out:
        moved, were, they = _processes(moved_out)
        yield (
            f"{moved} {were} moved out of what is recorded, into another cgroup: "
            f"what {they} did there is not recorded"
        )


def _processes(number: int) -> tuple[str, str, str]:
    return ("1 process", "was", "it") if number == 1 else (f"{number:,} processes", "were", "they")
