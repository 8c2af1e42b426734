# SPDX-License-Identifier: Apache-2.0
"""Running the recorder as people do, and what came of it."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from snoop_format.schema import EVENTS
from snoop_format.segment import read_open
from snoop_format.session import read_session, segments

SNOOP_CAPTURE = str(Path(sys.executable).with_name("snoop-capture"))
# Seconds; under emulation (tests/kernels) everything takes a multiple of its time.
TIMEOUT = 60 * int(os.environ.get("SNOOP_PATIENCE", "1"))
QUICK = ["--ring-buffer-size", "1M"]  # a large ring takes a second to set up; a later option wins

Argument = str | bytes | Path
Row = dict[str, Any]


@dataclass
class Recording:
    """What a recording left: the capture on disk, and what the recorder said."""

    capture: Path
    code: int
    stdout: bytes
    stderr: str

    @cached_property
    def directory(self) -> Path:
        """The session's directory; there is just one."""
        assert self.capture.exists(), self.stderr
        (directory,) = (entry for entry in self.capture.iterdir() if entry.is_dir())
        return directory

    @cached_property
    def session(self) -> dict[str, Any]:
        return read_session(self.directory)

    @cached_property
    def table(self) -> pa.Table:
        return read_events(self.directory)

    @cached_property
    def rows(self) -> list[Row]:
        rows: list[Row] = self.table.to_pylist()
        return rows

    def where(self, **values: Any) -> list[Row]:
        """The rows whose columns have these values."""
        return [row for row in self.rows if all(row[key] == values[key] for key in values)]

    def one(self, **values: Any) -> Row:
        """The only row whose columns have these values."""
        found = self.where(**values)
        assert len(found) == 1, f"{len(found)} rows have {values}"
        return found[0]

    @property
    def paths(self) -> set[str | None]:
        return {row["path"] for row in self.rows}

    @property
    def summary(self) -> dict[str, int]:
        """The numbers of the closing line."""
        match = re.search(
            r"^snoop-capture: (?P<events>\d+) events, (?P<paths>\d+) distinct paths, "
            r"(?P<lost>\d+) lost",
            self.stderr,
            re.MULTILINE,
        )
        assert match, self.stderr
        return {name: int(number) for name, number in match.groupdict().items()}

    @property
    def lost(self) -> int:
        return sum(self.session["losses"].values())


def read_events(directory: Path) -> pa.Table:
    """All events of a session in order of ``seq``, sealed or not."""
    tables = [EVENTS.empty_table()]
    for _, path in segments(directory):
        if path.suffix == ".parquet":
            tables.append(pq.read_table(path))
        else:
            batches = read_open(path).batches
            tables += [pa.Table.from_batches([batch]).cast(EVENTS) for batch in batches]
    return pa.concat_tables(tables).combine_chunks().sort_by("seq")


def command_line(
    capture: Argument, command: Sequence[Argument], options: Sequence[str] = ()
) -> list[Argument]:
    options = [*QUICK, *options]
    return [SNOOP_CAPTURE, "run", "-o", capture, *options, "--", *command]


def environment(**extra: str) -> dict[str, str]:
    """This process's environment, but as if nobody had called sudo.

    Recorders have no port for metrics unless they are told so: many run at the same time.
    """
    own = {name: value for name, value in os.environ.items() if not name.startswith("SUDO_")}
    return own | {"SNOOP_METRICS_ADDR": ""} | extra


@dataclass
class Recorder:
    """Callable that records a command: ``record(command, *options)``."""

    directory: Path
    count: int = field(default=0)

    def __call__(
        self,
        command: Sequence[Argument],
        *options: str,
        wrapper: Sequence[Argument] = (),
        stdin: bytes = b"",
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> Recording:
        """Record ``command``; ``wrapper`` is a command that starts the recorder."""
        capture = self.new_capture()
        done = subprocess.run(
            [*wrapper, *command_line(capture, command, options)],
            input=stdin,
            capture_output=True,
            cwd=cwd,
            env=env or environment(),
            timeout=TIMEOUT,
            check=False,
        )
        return Recording(capture, done.returncode, done.stdout, done.stderr.decode())

    def start(
        self,
        command: Sequence[Argument],
        *options: str,
        env: Mapping[str, str] | None = None,
        process_group: int | None = None,
    ) -> "Running":
        """Begin to record ``command``; in a process group of its own with 0 for that."""
        capture = self.new_capture()
        process = subprocess.Popen(
            command_line(capture, command, options),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=env or environment(),
            process_group=process_group,
        )
        return Running(capture, process)

    def new_capture(self) -> Path:
        """A place for a capture, where nothing is yet."""
        self.count += 1
        return self.directory / f"capture-{self.count}"


@dataclass
class Running:
    """A recording that is under way."""

    capture: Path
    process: "subprocess.Popen[bytes]"

    def loader(self) -> int:
        """Pid of the process that loads the BPF program, the recorder's first child."""
        return self._child(0)

    def command(self) -> int:
        """Pid of the command, while that is at work."""
        return self._child(1)

    def _child(self, number: int) -> int:
        while len(pids := self._children().read_text().split()) <= number:
            time.sleep(0.005)
        return int(pids[number])

    def line(self) -> bytes:
        """The next line that the command prints."""
        assert self.process.stdout
        return self.process.stdout.readline()

    def write(self, data: bytes) -> None:
        """Give the command something to read."""
        assert self.process.stdin
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def finish(self, stdin: bytes = b"") -> Recording:
        """Wait for the end."""
        stdout, stderr = self.process.communicate(stdin, TIMEOUT)
        return Recording(self.capture, self.process.returncode, stdout, stderr.decode())

    def __enter__(self) -> "Running":
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            left = self._children().read_text().split()  # they would hold its output open
            self.process.kill()
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)
        self.process.communicate()

    def _children(self) -> Path:
        return Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
