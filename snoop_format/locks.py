# SPDX-License-Identifier: Apache-2.0
"""Who writes to a session: one process, which holds a lock for as long as it lives."""

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Final, Self

LOCK_FILE: Final = "session.lock"


class SessionLock:
    """The lock of a session directory, flock(2); the kernel lets it go when its holder dies.

    Its file stands there as long as the session is being written, and after its writer was killed.
    It goes along when the session's directory is replaced: see ``snoop_analysis.compaction``.

    Raises:
        BlockingIOError: another process writes to the session.
        OSError: there is no such directory, it cannot be written, or its file system has no locks.
    """

    def __init__(self, directory: Path) -> None:
        self._path = directory / LOCK_FILE
        self._descriptor = _locked(self._path)
        while not self._is_there():  # its holder was about to remove it
            os.close(self._descriptor)
            self._descriptor = _locked(self._path)

    def release(self) -> None:
        """Remove the lock and let others write to the session."""
        self._path.unlink(missing_ok=True)
        os.close(self._descriptor)

    def _is_there(self) -> bool:
        """Does the name still stand for the file that is locked?"""
        try:
            return os.path.samestat(os.fstat(self._descriptor), self._path.stat())
        except FileNotFoundError:
            return False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()


def _locked(path: Path) -> int:
    """A descriptor of the file, which is made where it is not there, with the lock."""
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW, 0o640)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor
