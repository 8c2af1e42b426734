# SPDX-License-Identifier: Apache-2.0
"""Tar archives, of which nothing is unpacked: entries, and where their bytes lie."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import lzma
import os
import shutil
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Final, cast

import zstandard

from snoop_analysis.errors import ImageError
from snoop_analysis.image.extent import Content, Extent, OpenFile, Section, Sparse
from snoop_analysis.image.tree import LONGEST_PATH, Inode, Kind, checked_components

# More than any image has; a small archive that says it has more is out to fill disk or memory.
MOST_UNPACKED: Final = 64 << 30  # bytes of one layer
MOST_NAMES: Final = 3_000_000
MOST_LETTERS: Final = 1 << 29  # of all names, links and extended attributes together
_LONGEST_HEADER: Final = 16 << 20  # bytes: a header of tar is held in memory
_SPARE: Final = 256 << 20  # bytes left free on the disk
_CHUNK: Final = 1 << 20


def _open_zstd(file: IO[bytes]) -> IO[bytes]:
    """All frames of a file: tools that compress in parallel write many."""
    reader = zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True)
    return cast(IO[bytes], reader)


_MAGIC: Final = (
    (b"\x1f\x8b", gzip.open),
    (b"\x28\xb5\x2f\xfd", _open_zstd),
    (b"\xfd7zXZ\0", lzma.open),
    (b"BZh", bz2.open),
)
_BROKEN: Final = (OSError, EOFError, zlib.error, lzma.LZMAError, zstandard.ZstdError)
_KINDS: Final = {
    tarfile.REGTYPE: Kind.FILE,
    tarfile.AREGTYPE: Kind.FILE,
    tarfile.CONTTYPE: Kind.FILE,
    tarfile.GNUTYPE_SPARSE: Kind.FILE,
    tarfile.DIRTYPE: Kind.DIRECTORY,
    tarfile.SYMTYPE: Kind.SYMLINK,
    tarfile.CHRTYPE: Kind.CHARACTER,
    tarfile.BLKTYPE: Kind.BLOCK,
    tarfile.FIFOTYPE: Kind.FIFO,
}
# How GNU tar, bsdtar and Go's archive/tar write extended attributes.
_XATTR: Final = "SCHILY.xattr."


@dataclass(slots=True)
class Entry:
    """An entry of a tar archive: what it is, or the names of the entry it is a hard link to."""

    names: list[str]
    inode: Inode | None
    link_to: list[str]


class _Headers(Section):
    """What tarfile reads headers from: it would take one of any size into memory."""

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= _LONGEST_HEADER:
            raise ImageError(f"a header of {size:,} bytes: refused")
        return super().read(size) or b""


def plain(blob: Extent, source: str) -> Extent:
    """``blob`` without compression.

    What is compressed is unpacked once into a temporary file without a name, in which zeros take
    no room; it is gone with the process.

    Raises:
        ImageError: it is damaged, larger than any layer is, or there is no room for it.
    """
    start = blob.section().read(8) or b""
    opener = next((one for magic, one in _MAGIC if start.startswith(magic)), None)
    if opener is None:
        return blob
    size = 0
    with tempfile.TemporaryFile() as file:
        try:
            for chunk in _chunks(cast(IO[bytes], opener(blob.open()))):
                size += len(chunk)
                _check_room(size, source)
                if chunk.strip(b"\0"):
                    file.write(chunk)
                else:
                    file.seek(len(chunk), os.SEEK_CUR)
        except _BROKEN as error:
            raise ImageError(f"{source} cannot be unpacked: {error}") from error
        file.truncate(size)
        file.flush()
        return Extent(OpenFile(os.dup(file.fileno())), 0, size)


def _check_room(size: int, source: str) -> None:
    if size > MOST_UNPACKED:
        raise ImageError(f"{source} unpacks to more than {MOST_UNPACKED >> 30} GiB: refused")
    if size % (64 * _CHUNK) < _CHUNK and shutil.disk_usage(tempfile.gettempdir()).free < _SPARE:
        raise ImageError(
            f"{source} does not fit into {tempfile.gettempdir()}; "
            "set TMPDIR to a directory with more room"
        )


def _chunks(file: IO[bytes]) -> Iterator[bytes]:
    while chunk := file.read(_CHUNK):
        yield chunk


def check_digest(blob: Extent, digest: str, source: str) -> None:
    """Compare the bytes of a blob with its digest, ``sha256:…`` for one.

    Raises:
        ImageError: they differ.
    """
    algorithm, _, wanted = digest.partition(":")
    if algorithm not in ("sha256", "sha512"):
        raise ImageError(f"{source} has the digest {digest!r}, which is of an unknown kind")
    found = hashlib.new(algorithm)
    for chunk in _chunks(blob.open()):
        found.update(chunk)
    if found.hexdigest() != wanted:
        raise ImageError(f"{source} is damaged: its digest is {algorithm}:{found.hexdigest()}")


def entries(blob: Extent, source: str, layer: int = 0, is_whole: bool = False) -> Iterator[Entry]:
    """The entries of an uncompressed tar archive, in order.

    Args:
        blob: the archive.
        source: what to call it in errors.
        layer: number of the layer that it is.
        is_whole: its digest was compared; else it has to have an end.

    Raises:
        ImageError: it is damaged, cut short, or has what no image has.
    """
    try:
        with tarfile.open(
            fileobj=_Headers(blob.file, blob.offset, blob.size),
            mode="r:",
            encoding="utf-8",
            errors="surrogateescape",
        ) as archive:
            letters = 0
            for number, member in enumerate(archive):
                letters += sum(map(len, (member.name, *member.pax_headers.values())))
                if number >= MOST_NAMES or letters > MOST_LETTERS:
                    raise ImageError("it names more than any image does: refused")
                yield _entry(member, blob, source, layer)
                archive.members.clear()  # type: ignore[attr-defined]
            _check_end(blob, archive.offset, is_whole)
    except (tarfile.TarError, ImageError, ValueError, OverflowError, IndexError) as error:
        raise ImageError(f"{source} cannot be read as a tar archive: {error}") from error


def _check_end(blob: Extent, offset: int, is_whole: bool) -> None:
    """Tarfile takes a damaged header for the end, and the end of the file; it is zeros."""
    block = blob.part(offset, min(tarfile.BLOCKSIZE, max(0, blob.size - offset)))
    data = block.section().read(block.size) or b""
    if data.strip(b"\0"):
        raise ImageError(f"it is damaged at byte {offset:,}")
    if not data and not is_whole:
        raise ImageError("it has no end: it was cut short")


def _entry(member: tarfile.TarInfo, blob: Extent, source: str, layer: int) -> Entry:
    names = checked_components(member.name, source)
    if member.islnk():
        return Entry(names, None, checked_components(member.linkname, source))
    kind = _KINDS.get(member.type)
    if kind is None:
        raise ImageError(f"the entry {member.name!r} is of a kind no image has")
    if member.issym() and len(member.linkname) > LONGEST_PATH:
        raise ImageError(f"the link {member.name!r} leads to more than a path can be")
    _check_numbers(member)
    inode = Inode(
        kind=kind,
        mode=member.mode & 0o7777,
        uid=member.uid,
        gid=member.gid,
        mtime=int(member.mtime),
        size=member.size if kind is Kind.FILE else 0,
        target=member.linkname if kind is Kind.SYMLINK else "",
        device=(member.devmajor, member.devminor),
        xattrs={
            key.removeprefix(_XATTR): value.encode(errors="surrogateescape")
            for key, value in member.pax_headers.items()
            if key.startswith(_XATTR)
        },
        layer=layer,
        content=_content(member, blob) if kind is Kind.FILE else None,
    )
    return Entry(names, inode, [])


def _check_numbers(member: tarfile.TarInfo) -> None:
    """Linux has 32 bits for an owner, at most 20 for a device; some tools write owners as -2."""
    if max(member.uid.bit_length(), member.gid.bit_length()) > 32:
        raise ImageError(f"the entry {member.name!r} has an owner that no file can have")
    device = {member.devmajor, member.devminor} if member.ischr() or member.isblk() else set()
    if any(number not in range(1 << 20) for number in device):
        raise ImageError(f"the entry {member.name!r} is a device that there cannot be")


def _content(member: tarfile.TarInfo, blob: Extent) -> Content:
    """Where the bytes of a file lie.

    Raises:
        ImageError: they are not all there, or say of a sparse file what none can be.
    """
    held = cast(list[tuple[int, int]] | None, member.sparse)
    if held is None:
        return _part(member, blob, member.offset_data, member.size)
    pieces: list[tuple[int, Extent]] = []
    place, end = member.offset_data, 0
    for start, size in held:
        if not size:  # formats fill up with these
            continue
        if start < end or size < 0:
            raise ImageError(f"the sparse entry {member.name!r} has parts out of order")
        pieces.append((start, _part(member, blob, place, size)))
        place, end = place + size, start + size
    if not end <= member.size <= MOST_UNPACKED:
        raise ImageError(f"the sparse entry {member.name!r} has {member.size:,} bytes: refused")
    return Sparse(tuple(pieces), member.size)


def _part(member: tarfile.TarInfo, blob: Extent, place: int, size: int) -> Extent:
    if size > blob.size - place:
        raise ImageError(f"the entry {member.name!r} is cut short")
    return blob.part(place, size)
