# SPDX-License-Identifier: Apache-2.0
"""``snoop-capture run``: record one command."""

import os
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from snoop_capture import cgroups, check, privileges
from snoop_capture.backlog import NOT_WRITTEN
from snoop_capture.command import Command, CommandError, wait_for
from snoop_capture.errors import CaptureError
from snoop_capture.events import escaped
from snoop_capture.limits import Limits
from snoop_capture.loading import Loader
from snoop_capture.program import Program
from snoop_capture.recorder import Recorder, Totals, layout_here
from snoop_capture.sealing import REMOVED
from snoop_capture.sessions import (
    distinct_paths,
    new_session,
    now,
    prepare,
    remove_empty,
    session_name,
)

# After a look at the ring that was due because blocks had filled, the next waits this long, in
# seconds: looks have a fixed cost, and a CPU needs some 30 ms to fill the default ring.
_REST: Final = 0.005
_PATIENCE: Final = 3.0  # seconds that a capture which cannot be written has at the end


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a recorded command."""

    code: int
    session: Path
    totals: Totals
    distinct_paths: int
    left_running: int

    def __str__(self) -> str:
        line = (
            f"{self.totals.events} events, {self.distinct_paths} distinct paths, "
            f"{self.totals.lost}: {self.session}"
        )
        return "\n".join([line, *self.lacks])

    @property
    def warning(self) -> str | None:
        """What to say before that, of processes that go on unrecorded."""
        if not self.left_running:
            return None
        left = f"{self.left_running} of the command's processes"
        return f"left running, unrecorded from here: {left}"

    @property
    def lacks(self) -> list[str]:
        """What to say of events that were recorded and did not come to stay on the disk."""
        said = []
        if lost := self.totals.losses.get(NOT_WRITTEN):
            why = self.totals.failure or "there was no room for a while"
            said.append(
                f"{lost} events could not be written to {self.session.parent}: {why}; make room "
                "there, or record to another place with -o"
            )
        if lost := self.totals.losses.get(REMOVED):
            said.append(f"{lost} events are lost, for their files were removed while recording")
        return said


def run(
    arguments: Sequence[str],
    capture: Path,
    *,
    force: bool,
    ring_bytes: int,
    limits: Limits,
    loader: Loader | None = None,
) -> Outcome:
    """Record a command from its exec to its end.

    Args:
        arguments: the command and its arguments.
        capture: the capture directory; the session becomes a directory in it.
        force: replace a capture that is there.
        ring_bytes: size of the ring buffer.
        limits: how much may be where.
        loader: of the BPF program, if it has been started already.

    Raises:
        CommandError: the command cannot be started.
        CaptureError: recording is not possible here, and nothing was started; or the capture
            could not be written to its end.
    """
    check.require()
    layout = layout_here(ring_bytes)
    made = [directory.resolve() for directory in prepare(capture, force)]
    with ExitStack() as undo:
        undo.callback(remove_empty, made)
        command = undo.enter_context(Command(arguments))
        program = undo.enter_context(Program(layout, loader=loader))
        name = session_name()
        group = undo.enter_context(cgroups.CommandCgroup(f"snoop-{name}"))
        program.choose(group.directory)
        session = new_session(capture, name)  # last: it removes the capture that was there
        words = [escaped(os.fsencode(word)) for word in arguments]
        containers = _Containers(group, Path(words[0]).name)
        metadata = {"command": words, "containers": containers.entries(set())}
        place = session.resolve()  # what a relative path starts from, the command may move
        try:
            recorder = Recorder(program, place, metadata, limits)
        except OSError as error:
            raise CaptureError(f"cannot write to {session}: {error.strerror}") from error
        program.begin()
        group.add(command.pid)
        failure = _record(command, recorder, containers)
        code = command.wait()
        containers.look()
        program.let_go()
        left = group.release()
        if left:
            recorder.say(left_running=left)
        totals = recorder.stop(containers, time.monotonic() + _PATIENCE)
    if place.is_dir():  # else somebody has removed it: what that costs is said below
        privileges.give_to_invoking_user((*made, place, *place.iterdir()))
    if failure:
        raise failure
    if totals.unfinished:
        raise CaptureError(f"the capture {session} ends early: {totals.unfinished}; {totals}")
    return Outcome(code, session, totals, distinct_paths(place), left)


def _record(command: Command, recorder: Recorder, containers: "_Containers") -> CommandError | None:
    """Poll the recorder until the command has ended."""
    try:
        command.go()
        ended = False
        while not ended:
            ended, filled = wait_for(command, recorder.fileno(), recorder.timeout)
            recorder.poll()
            if not recorder.cgroups <= containers.known.keys():
                containers.look()
                recorder.name(containers)
            if filled and not ended:
                time.sleep(_REST)
    except CommandError as error:
        return error
    return None


class _Containers:
    """The cgroups of a recorded command: its own, and those it made below that."""

    def __init__(self, group: cgroups.CommandCgroup, name: str) -> None:
        self.known: dict[int, dict[str, Any]] = {}
        self._group = group
        self._name = name
        self._path = cgroups.path_of(group.directory)
        self.look()

    def look(self) -> None:
        """Take note of the cgroups that are new since the last look."""
        for directory in self._group.descendants():
            with suppress(FileNotFoundError):  # removed meanwhile: only its id is known
                identity = cgroups.cgroup_id(directory)
                self._add(identity, directory.relative_to(self._group.directory))

    def entries(self, cgroup_ids: set[int]) -> list[dict[str, Any]]:
        """Entries for ``session.json``; a cgroup that was never met has only its id for a name."""
        for identity in cgroup_ids:
            self._add(identity, Path(f"cgroup-{identity}"))
        return list(self.known.values())

    def _add(self, identity: int, below: Path) -> None:
        if identity not in self.known:
            self.known[identity] = {
                "cgroup_id": identity,
                "cgroup_path": str(Path(self._path, below)),
                "name": str(Path(self._name, below)),
                "first_seen": now(),
            }
