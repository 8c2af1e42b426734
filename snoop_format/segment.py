# SPDX-License-Identifier: Apache-2.0
"""Segments: the open one, an Arrow IPC stream that grows, and the sealed one, a Parquet file.

The open segment must survive the death of its writer at any byte. A torn IPC tail can look like
a clean end, and zeroed pages like data; so every write ends with a *commit*: a batch without
rows whose metadata holds the length and the CRC-32 of all bytes since the commit before it.
A reader takes what a valid commit covers and nothing else.
"""

import base64
import contextlib
import json
import mmap
import os
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from snoop_format import schema
from snoop_format.errors import FormatError
from snoop_format.session import check_regular, put_in_place

_BYTES: Final = b"snoop.bytes"
_CRC: Final = b"snoop.crc32"
# As a commit's message has it (FlatBuffers: length, text, zero); no text of an event has zeros.
_CRC_KEY: Final = len(_CRC).to_bytes(4, "little") + _CRC + b"\0"
_COUNTS: Final = b"snoop.counts"
_END_OF_STREAM: Final = b"\xff\xff\xff\xff\0\0\0\0"  # Arrow columnar format, "IPC streaming"
# What pyarrow gives the columns back as: text is written from dictionaries, but is not one.
_ARROW_SCHEMA: Final = base64.b64encode(schema.EVENTS.serialize().to_pybytes()).decode()
# Numbers: most are steady or the same for long, which takes next to no space as differences.
_DELTA: Final = tuple(
    field.name
    for field in schema.EVENTS
    if pa.types.is_integer(field.type) or pa.types.is_timestamp(field.type)
)
# What readers leave row groups out by, and columns that hardly any row has; bounds of other text
# take as long to find as to write it.
_WITH_STATISTICS: Final = ("seq", "ts", "cgroup_id", "pid", *schema.PATH_BYTES)

ROW_GROUP: Final = 1 << 16
"""Rows of a row group: what a writer must keep in memory."""


class _Checked:
    """A file for pyarrow to write to, which keeps the length and the CRC of what passes.

    What is written stays in memory until ``commit``, so that a file on a full disk still ends where
    the commit before did.
    """

    closed = False

    def __init__(self, path: Path) -> None:
        self.descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o640)
        self.position = 0
        self._parts: list[Any] = []
        self.length = 0
        self.crc = 0

    def write(self, data: Any) -> int:
        size = memoryview(data).nbytes
        self.crc = zlib.crc32(data, self.crc)
        self.length += size
        self._parts.append(data)
        return size

    def tell(self) -> int:
        return self.position + sum(memoryview(part).nbytes for part in self._parts)

    def flush(self) -> None:
        """Arrow asks for it with every batch; a commit decides."""

    def start_over(self) -> None:
        self.length = 0
        self.crc = 0

    def commit(self) -> None:
        data = memoryview(b"".join(self._parts))
        self._parts = []
        written = 0
        try:
            while written < len(data):
                written += os.write(self.descriptor, data[written:])
        except OSError:
            with contextlib.suppress(OSError):  # readers find the last commit without it
                os.ftruncate(self.descriptor, self.position)
            raise
        self.position += written

    def close(self) -> None:
        if not self.closed:
            self.closed = True
            os.close(self.descriptor)


class SegmentWriter:
    """Writes an open segment.

    After an OSError it ends at its last commit, and takes no more events.

    Raises:
        FileExistsError: there is such a segment already.
        OSError: the disk is full, read-only or gone.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows = 0
        self.first_seq: int | None = None
        self.last_seq: int | None = None
        self._file = _Checked(path)
        self._stream = pa.ipc.new_stream(
            pa.PythonFile(self._file, mode="w"),
            schema.OPEN_EVENTS,
            options=pa.ipc.IpcWriteOptions(compression="lz4"),
        )

    @property
    def bytes(self) -> int:
        """Size of the segment so far."""
        return self._file.position

    @property
    def vanished(self) -> bool:
        """Somebody has removed the file."""
        return os.fstat(self._file.descriptor).st_nlink == 0

    def write(
        self, batch: pa.RecordBatch, counts: Mapping[str, Any] = MappingProxyType({})
    ) -> None:
        """Append events and hand them to the operating system.

        Args:
            batch: of schema ``OPEN_EVENTS``.
            counts: what the session has lost so far and the like, for whoever recovers it.
        """
        self._stream.write_batch(batch)
        metadata = {_BYTES: b"%d" % self._file.length, _CRC: b"%d" % self._file.crc}
        metadata |= {_COUNTS: json.dumps(dict(counts)).encode()} if counts else {}
        self._file.start_over()
        self._stream.write_batch(batch.slice(0, 0), custom_metadata=metadata)
        self._file.commit()
        self.rows += batch.num_rows
        if batch.num_rows:
            seq = batch.column("seq")
            self.first_seq = seq[0].as_py() if self.first_seq is None else self.first_seq
            self.last_seq = seq[-1].as_py()

    def sync(self) -> None:
        """Have what was written survive a loss of power, fdatasync(2)."""
        os.fdatasync(self._file.descriptor)

    def close(self) -> None:
        """Finish the stream."""
        self._stream.close()
        self._file.commit()
        self._file.close()

    def abandon(self) -> None:
        """Close the file as it is, after an error."""
        self._file.close()


@dataclass
class OpenSegment:
    """What could be read of an open segment."""

    batches: list[pa.RecordBatch] = field(default_factory=list)
    torn_bytes: int = 0
    """Bytes behind the last commit: a write that was under way when the recorder died."""
    damaged: bool = False
    """Behind the last valid commit stands more than one, and a write that was under way has one."""
    counts: dict[str, Any] = field(default_factory=dict)
    """What the last commit says that the session had lost by then, and the like."""

    @property
    def rows(self) -> int:
        """Events that can be read."""
        return sum(batch.num_rows for batch in self.batches)


def read_open(path: Path) -> OpenSegment:
    """All committed batches of an open segment, also of one that is being written.

    Raises:
        FormatError: the file cannot be read.
    """
    check_regular(path)
    try:
        data = memoryview(path.read_bytes())
    except OSError as error:
        raise FormatError(f"cannot read {path}: {error.strerror}") from error
    segment = OpenSegment()
    end = 0
    for commit in _commits(data):
        segment.batches += commit.batches
        segment.counts = commit.counts or segment.counts
        end = commit.end
    if data[end:].tobytes() != _END_OF_STREAM:
        segment.torn_bytes = len(data) - end
        segment.damaged = _holds_commits(data[end:].tobytes())
    return segment


def committed(path: Path) -> Iterator[pa.RecordBatch]:
    """The committed batches of an open segment one after the other, the file never all in memory.

    Raises:
        OSError: the file cannot be read.
    """
    for commit in _mapped_commits(path):
        yield from commit.batches


def last_counts(path: Path) -> dict[str, Any]:
    """What the last commit of an open segment says that the session had lost, and the like.

    Raises:
        OSError: the file cannot be read.
    """
    counts: dict[str, Any] = {}
    for commit in _mapped_commits(path):
        counts = commit.counts or counts
    return counts


def is_damaged(path: Path) -> bool:
    """Whether an open segment holds events that cannot be read, see ``OpenSegment.damaged``.

    Raises:
        OSError: the file cannot be read.
    """
    end = 0
    for commit in _mapped_commits(path):
        end = commit.end
    with path.open("rb") as file:
        file.seek(end)
        return _holds_commits(file.read())


def _holds_commits(tail: bytes) -> bool:
    """Whether what follows the last valid commit is more than one write."""
    return tail.count(_CRC_KEY) > 1


class _Commit(NamedTuple):
    batches: list[pa.RecordBatch]
    end: int
    counts: dict[str, Any]


def _mapped_commits(path: Path) -> Iterator[_Commit]:
    if path.stat().st_size == 0:  # which cannot be mapped
        return
    with path.open("rb") as file:
        data = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)  # lives as long as a batch of it
    yield from _commits(data)


def _commits(data: memoryview | mmap.mmap) -> Iterator[_Commit]:
    """The valid commits; stops at the first damage."""
    source = pa.BufferReader(pa.py_buffer(data))
    pending: list[pa.RecordBatch] = []
    covered = 0
    try:
        stream = pa.ipc.open_stream(source)
        while True:
            start = source.tell()
            batch, metadata = stream.read_next_batch_with_custom_metadata()
            if not metadata or _CRC not in metadata:
                pending.append(batch)
                continue
            length, crc = int(metadata[_BYTES]), int(metadata[_CRC])
            if covered + length > start or zlib.crc32(data[covered : covered + length]) != crc:
                return
            covered += length
            yield _Commit(pending, source.tell(), json.loads(metadata.get(_COUNTS, b"{}")))
            pending = []
    except (StopIteration, pa.ArrowException, OSError, ValueError, MemoryError, RecursionError):
        return  # what a torn tail decodes to may be anything; the commits before it are whole


class SealedWriter:
    """Writes a sealed segment; it takes its name when it is whole and on the disk.

    Args:
        path: the final name. Until ``close`` the file has ``.tmp`` behind it.

    Raises:
        OSError: the disk is full, read-only or gone.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows = 0
        self._temporary = path.with_suffix(path.suffix + ".tmp")
        flags = os.O_CREAT | os.O_TRUNC | os.O_WRONLY
        self._file = os.fdopen(os.open(self._temporary, flags, 0o640), "wb")
        self._parquet = pq.ParquetWriter(
            self._file,
            schema.OPEN_EVENTS,
            compression="zstd",
            use_dictionary=[f.name for f in schema.EVENTS if f.name not in _DELTA],
            column_encoding=dict.fromkeys(_DELTA, "DELTA_BINARY_PACKED"),
            write_statistics=list(_WITH_STATISTICS),
            store_schema=False,
        )

    def write(self, batches: list[pa.RecordBatch]) -> None:
        """Append events, of schema ``OPEN_EVENTS``, as one row group in the order given."""
        table = pa.Table.from_batches(batches, schema.OPEN_EVENTS).unify_dictionaries()
        self._parquet.write_table(table, row_group_size=max(1, table.num_rows))
        self.rows += table.num_rows

    def close(self, metadata: dict[str, str]) -> None:
        """Finish the file; ``metadata`` goes into its footer as key-value metadata."""
        self._parquet.add_key_value_metadata({"ARROW:schema": _ARROW_SCHEMA, **metadata})
        self._parquet.close()
        self._file.close()
        put_in_place(self._temporary, self.path)

    def abandon(self) -> None:
        """Leave nothing behind, after an error."""
        with contextlib.suppress(OSError, pa.ArrowException):
            self._parquet.close()
        with contextlib.suppress(OSError):
            self._file.close()
        with contextlib.suppress(OSError):
            self._temporary.unlink()


def row_groups(batches: Iterable[pa.RecordBatch]) -> Iterator[list[pa.RecordBatch]]:
    """Batches put together to row groups of ``ROW_GROUP`` rows or a little more."""
    group: list[pa.RecordBatch] = []
    rows = 0
    for batch in batches:
        group.append(batch)
        rows += batch.num_rows
        if rows >= ROW_GROUP:
            yield group
            group, rows = [], 0
    if group:
        yield group


def seal(batches: Iterable[pa.RecordBatch], path: Path, metadata: dict[str, str]) -> int:
    """Write events of schema ``OPEN_EVENTS`` as a sealed segment, in the order given.

    Returns:
        how many they are.

    Raises:
        OSError: the disk is full, read-only or gone; nothing of the segment is left then.
    """
    writer = SealedWriter(path)
    try:
        for group in row_groups(batches):
            writer.write(group)
        writer.close(metadata)
    except OSError:
        writer.abandon()
        raise
    return writer.rows
