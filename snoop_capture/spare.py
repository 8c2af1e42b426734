# SPDX-License-Identifier: Apache-2.0
"""Room kept on the disk for what must be written when the disk is full."""

import contextlib
import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

NO_ROOM: Final = (errno.ENOSPC, errno.EDQUOT)


_ENDING: Final = ".spare.tmp"  # recovery removes what ends in .tmp


def is_spare(file: Path) -> bool:
    """Is this a file that only takes up room?"""
    return file.name.endswith(_ENDING)


class Spare:
    """A file that takes up room as long as a session is being written; where there is little, none.

    Args:
        file: the session's or the summary's, which it stands beside.
    """

    def __init__(self, file: Path) -> None:
        self._path = file.with_name(file.stem + _ENDING)

    def take(self, size: int) -> None:
        """Keep so many bytes from now on, as far as there is room; nothing where they are kept."""
        with contextlib.suppress(OSError):
            descriptor = os.open(self._path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o640)
            try:
                if os.fstat(descriptor).st_size < size:
                    os.posix_fallocate(descriptor, 0, size)
            finally:
                os.close(descriptor)

    def used_for(self, step: Callable[[], None]) -> None:
        """Do a step that needs room; where there is none left, in what was kept.

        That is not kept any longer then, until it is taken again.

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

    def drop(self) -> None:
        """Keep no room any longer."""
        with contextlib.suppress(OSError):
            self._path.unlink()
