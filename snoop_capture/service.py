# SPDX-License-Identifier: Apache-2.0
"""``snoop-capture pod``, ``container`` and ``cgroup``: record until a signal says stop."""

import contextlib
import logging
import os
import select
import signal
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from snoop_capture import cgroups
from snoop_capture.confinement import confine, import_what_is_needed, recorders_user
from snoop_capture.containers import Containers
from snoop_capture.errors import CaptureError
from snoop_capture.identity import Identity
from snoop_capture.limits import Limits
from snoop_capture.loading import Loader
from snoop_capture.observer import Observer
from snoop_capture.program import Program
from snoop_capture.recorder import Recorder, Totals, layout_here
from snoop_capture.sessions import session_name
from snoop_capture.targets import Target

if TYPE_CHECKING:  # it brings an HTTP client, which most recordings can do without
    from snoop_capture.kubernetes import ApiServer, PodWatch

_LOOK: Final = 5.0  # seconds between looks at the cgroup tree when nothing arrives in it
_STOP: Final = (signal.SIGTERM, signal.SIGINT)
_ROTATE: Final = signal.SIGHUP
_SIGNALLED: Final = 128  # added to a signal's number: the exit code by convention
_REST: Final = 0.005  # seconds between looks at a ring that fills fast: a look has a fixed cost

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Recording:
    """What to record, and how.

    ``ring_bytes`` is the size of the ring buffer. When the recording is stopped, it has
    ``shutdown_timeout`` seconds to write what is left.
    """

    target: Target
    capture: Path
    ring_bytes: int
    limits: Limits = field(default_factory=Limits)
    identity: Identity = field(default_factory=Identity)
    api_server: "ApiServer | None" = None
    observer: Observer = field(default_factory=Observer)
    shutdown_timeout: float = 10.0


@dataclass(frozen=True, slots=True)
class Ended:
    """What became of a recording."""

    session: Path
    totals: Totals

    def __str__(self) -> str:
        return f"{self.totals}: {self.session}"

    def fields(self) -> dict[str, Any]:
        """The same for a log that programs read."""
        return {
            "session": str(self.session),
            "events": self.totals.events,
            "losses": self.totals.losses,
            "defects": self.totals.defects,
        }


def record(recording: Recording, loader: Loader | None = None) -> Ended:
    """Record until SIGTERM or SIGINT.

    Nothing but file descriptors is left of the privileges once the BPF program is attached.

    Args:
        recording: what to record.
        loader: of the BPF program, if it has been started already.

    Raises:
        CaptureError: recording is not possible here, or the capture cannot be begun.
    """
    signals = _Signals()
    with Program(layout_here(recording.ring_bytes), loader=loader) as program:
        for left_out in recording.target.without:
            program.leave_out(left_out)
        for root in recording.target.roots:
            program.choose(root)
        program.know(_processes(recording.target))
        import_what_is_needed()
        confinement = confine(program, recording.capture, recorders_user())
        try:
            session = recording.capture / session_name()
            session.mkdir(mode=0o750)
            program.begin()
            containers = Containers(recording.target, recording.identity, _watch(recording))
            # It writes session.json: whoever waits for that finds everything recorded from there,
            # and what was there already named.
            metadata = _metadata(recording) | {"containers": containers.entries()}
            recorder = Recorder(program, session, metadata, recording.limits, recording.observer)
        except OSError as error:
            raise CaptureError(
                f"cannot begin a capture in {recording.capture}: {error.strerror}"
            ) from error
        _log.info("recording into %s as user %d", session, confinement.uid)
        recording.observer.begun(recorder.state)
        _loop(recorder, containers, signals)
        containers.look()  # for what came since the last look
        recording.observer.ended()
        totals = recorder.stop(containers, time.monotonic() + recording.shutdown_timeout)
        return Ended(session, totals)


def _processes(target: Target) -> set[int]:
    """Those that are there already in what is to be recorded."""
    found = {number for root in target.roots for number in cgroups.processes(root)}
    for left_out in target.without:
        found -= cgroups.processes(left_out)
    return found


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


class _Signals:
    """Readable once a signal has come. A second one that says stop ends the process at once."""

    def __init__(self) -> None:
        self.stop = False
        self.rotate = False
        self._descriptor, written = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(written, warn_on_full_buffer=False)
        for number in (*_STOP, _ROTATE):
            signal.signal(number, self._take)

    def fileno(self) -> int:
        return self._descriptor

    def hush(self) -> None:
        """Readable again only at the next signal."""
        with contextlib.suppress(BlockingIOError):
            os.read(self._descriptor, 4096)

    def _take(self, number: int, _: object) -> None:
        if number == _ROTATE:
            self.rotate = True
        elif self.stop:
            os._exit(_SIGNALLED + number)  # what was flushed is recovered by the next start
        else:
            self.stop = True


def _loop(recorder: Recorder, containers: Containers, signals: _Signals) -> None:
    recorder.name(containers)
    looked = time.monotonic()
    watched: list[_Waitable] = [recorder, containers, signals]
    while not signals.stop:
        ready, _, _ = select.select(watched, [], [], recorder.timeout)
        if signals in ready:
            signals.hush()
        if signals.rotate:
            signals.rotate = False
            recorder.rotate()
        if containers in ready or time.monotonic() - looked > _LOOK:
            containers.look()
            recorder.name(containers)
            looked = time.monotonic()
            if containers.gone:
                _log.warning("the recording ends: what it records has been removed")
                return
        recorder.poll()
        if recorder in ready:
            time.sleep(_REST)
