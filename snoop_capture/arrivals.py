# SPDX-License-Identifier: Apache-2.0
"""Being told of directories that come and go, inotify(7).

The packages for this look for libc by running a compiler, which a confined recorder cannot.
"""

import ctypes
import os
from pathlib import Path
from typing import Final

_IN_CREATE: Final = 0x100  # include/uapi/linux/inotify.h
_IN_DELETE_SELF: Final = 0x400
_IN_ONLYDIR: Final = 0x01000000
_MOST: Final = 1 << 16  # bytes read at once


class Arrivals:
    """Becomes readable when something is made in a watched directory, or that is removed."""

    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._descriptor = self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._descriptor < 0:
            raise _error()

    def fileno(self) -> int:
        """Readable since something came or went."""
        return int(self._descriptor)

    def watch(self, directory: Path) -> None:
        """Watch one directory; that ends with its removal.

        Raises:
            OSError: it is gone, or there are too many (fs.inotify.max_user_watches).
        """
        mask = _IN_CREATE | _IN_DELETE_SELF | _IN_ONLYDIR
        if self._libc.inotify_add_watch(self._descriptor, os.fsencode(directory), mask) < 0:
            raise _error()

    def hush(self) -> None:
        """Take note of it: readable again only with the next."""
        try:
            while os.read(self._descriptor, _MOST):
                pass
        except BlockingIOError:
            return

    def close(self) -> None:
        """Watch nothing any more."""
        os.close(self._descriptor)


def _error() -> OSError:
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number))
