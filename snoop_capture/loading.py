# SPDX-License-Identifier: Apache-2.0
"""The process that loads the BPF program (``loader.py``), as its parent holds it."""

import itertools
import json
import signal
import socket
import subprocess
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Final, Self

from snoop_capture import privileges
from snoop_capture.errors import CaptureError

_MAX_DESCRIPTORS: Final = 64


class Loader:
    """Starts at once, and gets ready while the libraries of the recorder are imported."""

    def __init__(self) -> None:
        self._channel, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                # -P: no module comes from the working directory, which may be anybody's.
                [privileges.loader(), "-P", "-m", "snoop_capture.loader", str(theirs.fileno())],
                stdin=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=[theirs.fileno()],
                process_group=0,  # what a terminal sends is for the command, and ends that
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process.returncode is None:
            self._process.kill()
            self._process.communicate()
        self._channel.close()

    def load(
        self, macros: Mapping[str, int], events: bool | None
    ) -> tuple[dict[str, Any], dict[str, int]]:
        """Have the program compiled, loaded and attached; once.

        Args:
            macros: sizes and numbers for it.
            events: see ``Program``.

        Returns:
            what the loader replied, and the descriptors that it gave, by their names.

        Raises:
            CaptureError: that is not possible here.
        """
        request = json.dumps({"macros": macros, "events": events}) + "\n"
        _, complaint = self._process.communicate(request.encode())
        message, descriptors, _, _ = socket.recv_fds(self._channel, 65536, _MAX_DESCRIPTORS)
        if not message:
            raise CaptureError(f"the BPF loader ended without an answer: {self._end(complaint)}")
        reply = json.loads(message)
        if "error" in reply:
            raise CaptureError(_with_cause(reply["error"], complaint))
        if reply["refusal"]:
            reply["refusal"] = _with_cause(reply["refusal"], complaint)
        return reply, dict(zip(reply["names"], descriptors, strict=True))

    def _end(self, complaint: bytes) -> str:
        """What ended it: a signal, as where memory is short, or its last line."""
        code = self._process.returncode
        if code < 0:
            hint = " (out of memory?)" if code == -signal.SIGKILL else ""
            return f"killed by {signal.Signals(-code).name}{hint}"
        return " ".join(complaint.decode(errors="replace").strip().splitlines()[-1:])


def _with_cause(error: str, complaint: bytes) -> str:
    """The loader's sentence, with the first error of the compiler or the verdict of the verifier.

    That stands before its statistics.
    """
    lines = complaint.decode(errors="replace").splitlines()
    causes = [line for line in lines if "error:" in line]
    pairs = itertools.pairwise(filter(None, lines))
    causes += [line for line, after in pairs if after.startswith("processed ")]
    return f"{error} ({causes[0].strip()})" if causes else error
