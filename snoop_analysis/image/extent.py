# SPDX-License-Identifier: Apache-2.0
"""Parts of files on the disk: the content of an image is read where it lies."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from snoop_analysis.errors import ImageError


class Content(Protocol):
    """The bytes of a file of an image."""

    def open(self) -> IO[bytes]:
        """The bytes from the first on; can be sought.

        Raises:
            ImageError: they cannot be read.
        """
        ...


class OpenFile:
    """An open file, closed when no part of it is in use any more."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    def __del__(self) -> None:
        os.close(self.descriptor)


class Section(io.RawIOBase):
    """A part of an open file as a file of its own, with a position of its own."""

    def __init__(self, file: OpenFile, offset: int, size: int) -> None:
        super().__init__()
        self._file = file
        self._offset = offset
        self._size = size
        self._position = 0

    def readable(self) -> bool:
        """It is."""
        return True

    def seekable(self) -> bool:
        """It is."""
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """As of any file."""
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        self._position = max(0, start + offset)
        return self._position

    def readinto(self, buffer: object) -> int:
        """Bytes from the position on, as many as fit and there are."""
        view = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        wanted = max(0, min(len(view), self._size - self._position))
        data = os.pread(self._file.descriptor, wanted, self._offset + self._position)
        view[: len(data)] = data
        self._position += len(data)
        return len(data)


@dataclass(frozen=True, slots=True)
class Extent:
    """``size`` bytes of an open file, from ``offset`` on."""

    file: OpenFile
    offset: int
    size: int

    def section(self) -> Section:
        """The bytes, unbuffered."""
        return Section(self.file, self.offset, self.size)

    def open(self) -> IO[bytes]:
        """The bytes."""
        return io.BufferedReader(self.section())

    def part(self, offset: int, size: int) -> Extent:
        """A part of this one."""
        return Extent(self.file, self.offset + offset, size)


@dataclass(frozen=True, slots=True)
class OnDisk:
    """A file of a root directory."""

    path: Path

    def open(self) -> IO[bytes]:
        """The bytes; a link that has taken the file's place is not followed."""
        try:
            return os.fdopen(os.open(self.path, os.O_RDONLY | os.O_NOFOLLOW), "rb")
        except OSError as error:
            raise ImageError(f"cannot read {self.path}: {error.strerror}") from error
