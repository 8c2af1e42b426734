# SPDX-License-Identifier: Apache-2.0
"""Room kept on the disk, so that ``session.json`` can say what is lost when the disk is full."""

import contextlib
import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

NO_ROOM: Final = (errno.ENOSPC, errno.EDQUOT)

_NAME: Final = "session.spare.tmp"  # recovery removes what ends so
_BYTES: Final = 16 << 10


class Spare:
    """A file that takes up room as long as a session is being written; where there is little, none.

    Args:
        directory: the session.
    """

    def __init__(self, directory: Path) -> None:
        self._path = directory / _NAME
        self._take()

    def used_for(self, step: Callable[[], None]) -> None:
        """Do a step that needs room; where there is none left, in what was kept.

        Raises:
            OSError: it fails all the same.
        """
        try:
            step()
        except OSError as error:
            if error.errno not in NO_ROOM:
                raise
            self.drop()
            step()
            self._take()

    def drop(self) -> None:
        """Keep no room any longer."""
        with contextlib.suppress(OSError):
            self._path.unlink()

    def _take(self) -> None:
        try:
            descriptor = os.open(self._path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o640)
            try:
                os.posix_fallocate(descriptor, 0, _BYTES)
            finally:
                os.close(descriptor)
        except OSError:
            self.drop()
