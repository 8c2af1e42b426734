# SPDX-License-Identifier: Apache-2.0
"""``snoop-capture run``: record one command."""

import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from snoop_capture import cgroups, privileges
from snoop_capture.command import Command, CommandError, wait_for
from snoop_capture.errors import CaptureError
from snoop_capture.program import Program
from snoop_capture.recorder import Recorder, Totals, layout_here
from snoop_capture.storage import distinct_paths, new_session, now, refuse_old

# After a look at the ring that was due because blocks had filled, the next waits this long, in
# seconds: looks have a fixed cost, and a CPU needs some 30 ms to fill the default ring.
_REST: Final = 0.005


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a recorded command."""

    code: int
    session: Path
    totals: Totals
    distinct_paths: int
    left_running: int

    def __str__(self) -> str:
        lost = sum(self.totals.losses.values())
        causes = ", ".join(f"{count} {cause}" for cause, count in self.totals.losses.items())
        line = (
            f"{self.totals.events} events, {self.distinct_paths} distinct paths, "
            f"{lost} lost{f' ({causes})' if lost else ''}: {self.session}"
        )
        if self.left_running:
            line += f"\n{self.left_running} processes of the command go on, unrecorded from here"
        return line


def run(
    arguments: Sequence[str], capture: Path, *, force: bool, ring_bytes: int, flush: float
) -> Outcome:
    """Record a command from its exec to its end.

    Args:
        arguments: the command and its arguments.
        capture: the capture directory; the session becomes a directory in it.
        force: replace a capture that is there.
        ring_bytes: size of the ring buffer.
        flush: seconds after which events are on disk at the latest.

    Raises:
        CommandError: the command cannot be started.
        CaptureError: recording is not possible here, and nothing was started; or the capture
            could not be written to its end.
    """
    privileges.require()
    refuse_old(capture, force)
    layout = layout_here(ring_bytes)
    with ExitStack() as undo:
        command = undo.enter_context(Command(arguments))
        program = undo.enter_context(Program(layout))
        session = new_session(capture)
        group = undo.enter_context(cgroups.CommandCgroup(f"snoop-{session.name}"))
        recorder = Recorder(program, session, {"command": list(arguments)})
        containers = _Containers(group, Path(arguments[0]).name)
        program.trace(group.id)
        group.add(command.pid)
        failure = _record(command, recorder, flush)
        code = command.wait()
        containers.look()
        left = group.release()
        try:
            totals = recorder.stop(containers.entries)
        except OSError as error:
            failure = failure or _unwritable(session, error)
    privileges.give_to_invoking_user(capture, session)
    if failure:
        raise failure
    return Outcome(code, session, totals, distinct_paths(session), left)


def _record(command: Command, recorder: Recorder, flush: float) -> CaptureError | None:
    """Poll the recorder until the command has ended."""
    try:
        command.go()
        ended = False
        while not ended:
            ended, filled = wait_for(command, recorder.fileno(), flush)
            recorder.poll()
            if filled and not ended:
                time.sleep(_REST)
    except CommandError as error:
        return error
    except OSError as error:
        return _unwritable(recorder.session, error)
    return None


def _unwritable(session: Path, error: OSError) -> CaptureError:
    return CaptureError(
        f"the capture {session} ends early: {error.strerror}; what was written before is readable"
    )


@dataclass
class _Containers:
    """The cgroups of a recorded command: its own, and those it made below that."""

    group: cgroups.CommandCgroup
    name: str
    entries: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.look()

    def look(self) -> None:
        """Add the cgroups that are new since the last look."""
        known = {entry["cgroup_id"] for entry in self.entries}
        for directory in self.group.descendants():
            identity = cgroups.cgroup_id(directory)
            if identity in known:
                continue
            below = directory.relative_to(self.group.directory)
            self.entries.append(
                {
                    "cgroup_id": identity,
                    "cgroup_path": cgroups.path_of(directory),
                    "name": str(Path(self.name, below)),
                    "first_seen": now(),
                }
            )
