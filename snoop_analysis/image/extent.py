# SPDX-License-Identifier: Apache-2.0
"""Parts of files on the disk: the content of an image is read where it lies."""

from __future__ import annotations

import io
import os
from bisect import bisect_right
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


class _Positioned(io.RawIOBase):
    """``size`` bytes to read and seek in; where they come from is for the class below to say."""

    def __init__(self, size: int) -> None:
        super().__init__()
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
        data = self._bytes_at(self._position, wanted) if wanted else b""
        view[: len(data)] = data
        self._position += len(data)
        return len(data)

    def _bytes_at(self, position: int, wanted: int) -> bytes:
        """At least one and at most ``wanted`` bytes from ``position`` on; none at the end."""
        raise NotImplementedError


class Section(_Positioned):
    """A part of an open file as a file of its own, with a position of its own."""

    def __init__(self, file: OpenFile, offset: int, size: int) -> None:
        super().__init__(size)
        self._file = file
        self._offset = offset

    def _bytes_at(self, position: int, wanted: int) -> bytes:
        return os.pread(self._file.descriptor, wanted, self._offset + position)


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
class Sparse:
    """A file of ``size`` bytes of which an archive holds some; the rest are zeros.

    ``pieces`` are what it holds, each with its place in the file, in order and apart.
    """

    pieces: tuple[tuple[int, Extent], ...]
    size: int

    def open(self) -> IO[bytes]:
        """The bytes."""
        return io.BufferedReader(_WithHoles(self))


class _WithHoles(_Positioned):
    """The bytes of a sparse file."""

    def __init__(self, sparse: Sparse) -> None:
        super().__init__(sparse.size)
        self._pieces = sparse.pieces
        self._starts = [start for start, _ in sparse.pieces]

    def _bytes_at(self, position: int, wanted: int) -> bytes:
        number = bisect_right(self._starts, position)
        if number:
            start, piece = self._pieces[number - 1]
            if position < start + piece.size:
                section = piece.section()
                section.seek(position - start)
                return section.read(wanted) or b""
        hole_ends = self._starts[number] if number < len(self._starts) else self._size
        return bytes(min(wanted, hole_ends - position))


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
