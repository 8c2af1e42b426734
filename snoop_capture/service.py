# SPDX-License-Identifier: Apache-2.0
"""``snoop-capture pod``, ``container`` and ``cgroup``: record until a signal says stop."""

import logging
import os
import select
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from snoop_capture import cgroups
from snoop_capture.confinement import confine, recorders_user
from snoop_capture.containers import Containers
from snoop_capture.errors import CaptureError
from snoop_capture.identity import Identity
from snoop_capture.program import Program
from snoop_capture.recorder import Recorder, Totals, layout_here
from snoop_capture.storage import session_name
from snoop_capture.targets import Target

if TYPE_CHECKING:  # it brings an HTTP client, which most recordings can do without
    from snoop_capture.kubernetes import ApiServer, PodWatch

_LOOK: Final = 5.0  # seconds between looks at the cgroup tree when nothing arrives in it
_STOP: Final = (signal.SIGTERM, signal.SIGINT)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Recording:
    """What to record, and how.

    ``flush`` is in seconds; ``ring_bytes`` is the size of the ring buffer.
    """

    target: Target
    capture: Path
    ring_bytes: int
    flush: float
    identity: Identity = field(default_factory=Identity)
    api_server: "ApiServer | None" = None


@dataclass(frozen=True, slots=True)
class Ended:
    """What became of a recording."""

    session: Path
    totals: Totals

    def __str__(self) -> str:
        return f"{self.totals}: {self.session}"


def record(recording: Recording) -> Ended:
    """Record until SIGTERM or SIGINT.

    Nothing but file descriptors is left of the privileges once the BPF program is attached.

    Raises:
        CaptureError: recording is not possible here, or the capture cannot be written.
    """
    stopping = _Stopping()
    with Program(layout_here(recording.ring_bytes)) as program:
        for left_out in recording.target.without:
            program.leave_out(cgroups.cgroup_id(left_out))
        confinement = confine(program, recording.capture, recorders_user())
        try:
            session = recording.capture / session_name()
            session.mkdir(mode=0o750)
            for root in recording.target.roots:
                program.trace(cgroups.cgroup_id(root))
            # It writes session.json: whoever waits for that finds everything recorded from there.
            recorder = Recorder(program, session, _metadata(recording), recording.flush)
            _log.info("recording into %s as user %d", session, confinement.uid)
            containers = Containers(recording.target, recording.identity, _watch(recording))
            _loop(recording, recorder, containers, stopping)
            return Ended(session, recorder.stop(containers))
        except OSError as error:
            raise CaptureError(
                f"the capture in {recording.capture} ends early: {error.strerror}; what was "
                "written before is readable"
            ) from error


def _metadata(recording: Recording) -> dict[str, Any]:
    found = {"pod_uid": recording.target.pod.uid} if recording.target.pod else {}
    return found | recording.identity.metadata()


def _watch(recording: Recording) -> "PodWatch | None":
    if recording.api_server is None:
        return None
    from snoop_capture.kubernetes import PodWatch

    who = recording.identity
    return PodWatch(recording.api_server, who.namespace or "", who.pod_name or "")


class _Waitable(Protocol):
    """What select(2) can wait for."""

    def fileno(self) -> int:
        """The file descriptor."""


class _Stopping:
    """Readable once a signal has said stop."""

    def __init__(self) -> None:
        self._descriptor, written = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(written)
        for number in _STOP:
            signal.signal(number, lambda *_: None)

    def fileno(self) -> int:
        return self._descriptor


def _loop(
    recording: Recording, recorder: Recorder, containers: Containers, stopping: _Stopping
) -> None:
    recorder.name(containers)
    looked = time.monotonic()
    watched: list[_Waitable] = [recorder, containers, stopping]
    ready: list[_Waitable] = []
    while stopping not in ready:
        ready, _, _ = select.select(watched, [], [], recording.flush / 2)
        if containers in ready or time.monotonic() - looked > _LOOK:
            containers.look()
            recorder.name(containers)
            looked = time.monotonic()
            if containers.gone:
                _log.warning("the recording ends: what it records has been removed")
                return
        recorder.poll()
