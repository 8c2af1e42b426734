# SPDX-License-Identifier: Apache-2.0
"""Recorders that run until they are stopped."""

import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.capture.recording import QUICK, SNOOP_CAPTURE, Recording, environment
from tests.capture.trees import inside


class Service:
    """A recorder that runs until it is stopped."""

    def __init__(
        self,
        capture: Path,
        *arguments: str | Path,
        cgroup: Path | None = None,
        env: Mapping[str, str] | None = None,
        wrapper: Sequence[str] = (),
    ) -> None:
        verb, *rest = map(str, arguments)
        command = [*wrapper, SNOOP_CAPTURE, verb, *QUICK, *rest, "-o", str(capture)]
        self.capture = capture
        before = set(capture.glob("*/session.json"))
        self.process = subprocess.Popen(
            inside(cgroup, *command) if cgroup else command,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(**(env or {})),
        )
        deadline = time.monotonic() + 60
        while not (new := set(capture.glob("*/session.json")) - before):
            assert self.process.poll() is None, self.process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.02)
        self.session = new.pop().parent

    def stop(self, number: int = signal.SIGTERM) -> Recording:
        self.process.send_signal(number)
        _, stderr = self.process.communicate(timeout=60)
        return Recording(self.capture, self.process.returncode, b"", stderr)
