# SPDX-License-Identifier: Apache-2.0
"""Whether a recorder does what it is there for, and if not, what is wrong in words."""

import os
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from snoop_capture.observer import State

_LATE: Final = 30.0  # seconds; after as many flush intervals where these are long
_LATE_FLUSHES: Final = 10
_RECENT: Final = 60.0  # seconds
_LITTLE: Final = 0.01  # share of the file system


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at; ``text`` says how it is, in words."""

    ok: bool
    text: str


class Health:
    """Judges a recorder.

    Args:
        capture: where it writes.
        flush: seconds after which events shall be on disk.
        state: how the recorder is.
    """

    def __init__(self, capture: Path, flush: float, state: Callable[[], State]) -> None:
        self._capture = capture
        self._late = max(_LATE, _LATE_FLUSHES * flush)
        self._state = state
        self._lock = threading.Lock()
        self._lost = 0
        self._lost_at = -_RECENT

    def checks(self) -> dict[str, Check]:
        """All that is looked at, by name."""
        state = self._state()
        return {
            "program": _program(state),
            "flush": self._flush(state),
            "disk": self._disk(state),
            "losses": self._losses(state),
        }

    def _flush(self, state: State) -> Check:
        """Late without a reason: the recorder is stuck. With one it is the disk's affair."""
        age = max(0.0, time.monotonic() - state.last_flush)
        if age > self._late:
            return Check(bool(state.failure), f"events have not been written for {age:.0f} s")
        return Check(True, f"all events were on disk {age:.1f} s ago")

    def _disk(self, state: State) -> Check:
        if state.failure:
            return Check(False, f"nothing can be written: {state.failure}")
        try:
            room = os.statvfs(self._capture)
        except OSError as error:
            return Check(False, f"the capture directory cannot be looked at: {error.strerror}")
        free = room.f_bavail * room.f_frsize
        share = room.f_bavail / room.f_blocks if room.f_blocks else 1.0
        return Check(share >= _LITTLE, f"{free / (1 << 20):,.0f} MiB free ({share:.1%})")

    def _losses(self, state: State) -> Check:
        """Losses are rising when there were some in the last minute, or since the last look."""
        lost = sum(state.losses.values())
        now = time.monotonic()
        with self._lock:
            if lost > self._lost:
                self._lost, self._lost_at = lost, now
            recent = now - self._lost_at < _RECENT
        causes = ", ".join(f"{count} {cause}" for cause, count in state.losses.items() if count)
        text = f"{lost} events lost" + (f" ({causes})" if causes else "")
        return Check(not recent, f"{text}, some within the last minute" if recent else text)


def _program(state: State) -> Check:
    if state.attached:
        return Check(True, "the BPF program is attached")
    return Check(False, "the BPF program is not attached: nothing is recorded")


def summary(checks: dict[str, Check]) -> dict[str, Any]:
    """What is told of checks: whether all is well, and if not the reasons in a sentence."""
    bad = [check.text for check in checks.values() if not check.ok]
    return {
        "healthy": not bad,
        "reason": "; ".join(bad) or None,
        "checks": {name: asdict(check) for name, check in checks.items()},
    }
