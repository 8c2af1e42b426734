# SPDX-License-Identifier: Apache-2.0
"""Segments: the open one, an Arrow IPC stream that grows, and the sealed one, a Parquet file.

The open segment must survive the death of its writer at any byte. A torn IPC tail can look like
a clean end, and zeroed pages like data; so every write ends with a *commit*: a batch without
rows whose metadata holds the length and the CRC-32 of all bytes since the commit before it.
A reader takes what a valid commit covers and nothing else.
"""

import base64
import os
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, Final

import pyarrow as pa
import pyarrow.parquet as pq

from snoop_format import schema
from snoop_format.errors import FormatError
from snoop_format.session import put_in_place

_BYTES: Final = b"snoop.bytes"
_CRC: Final = b"snoop.crc32"
_END_OF_STREAM: Final = b"\xff\xff\xff\xff\0\0\0\0"  # Arrow columnar format, "IPC streaming"
# What pyarrow gives the columns back as: text is written from dictionaries, but is not one.
_ARROW_SCHEMA: Final = base64.b64encode(schema.EVENTS.serialize().to_pybytes()).decode()
# Numbers: most are steady or the same for long, which takes next to no space as differences.
_DELTA: Final = tuple(
    field.name
    for field in schema.EVENTS
    if pa.types.is_integer(field.type) or pa.types.is_timestamp(field.type)
)
# What readers leave row groups out by; bounds of text take as long to find as to write it.
_WITH_BOUNDS: Final = ("seq", "ts", "cgroup_id", "pid")

ROW_GROUP: Final = 1 << 16
"""Rows of a row group: what a writer must keep in memory."""


class _Checked:
    """A file for pyarrow to write to, which keeps the length and the CRC of what passes."""

    closed = False

    def __init__(self, path: Path) -> None:
        descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o640)
        self._file: BinaryIO = os.fdopen(descriptor, "wb", buffering=1 << 20)
        self.position = 0
        self.length = 0
        self.crc = 0

    def write(self, data: Any) -> int:
        self.crc = zlib.crc32(data, self.crc)
        size = memoryview(data).nbytes
        self.length += size
        self.position += size
        return self._file.write(data)

    def tell(self) -> int:
        return self.position

    def flush(self) -> None:
        self._file.flush()

    def start_over(self) -> None:
        self.length = 0
        self.crc = 0

    def close(self) -> None:
        self._file.close()


class SegmentWriter:
    """Writes an open segment.

    Raises:
        FileExistsError: there is such a segment already.
        OSError: the disk is full, read-only or gone. The segment then ends at its last commit.
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

    def write(self, batch: pa.RecordBatch) -> None:
        """Append events and hand them to the operating system."""
        self._stream.write_batch(batch)
        metadata = {_BYTES: b"%d" % self._file.length, _CRC: b"%d" % self._file.crc}
        self._file.start_over()
        self._stream.write_batch(batch.slice(0, 0), custom_metadata=metadata)
        self._file.flush()
        self.rows += batch.num_rows
        if batch.num_rows:
            seq = batch.column("seq")
            self.first_seq = seq[0].as_py() if self.first_seq is None else self.first_seq
            self.last_seq = seq[-1].as_py()

    def close(self) -> None:
        """Finish the stream."""
        self._stream.close()
        self._file.close()


@dataclass
class OpenSegment:
    """What could be read of an open segment."""

    batches: list[pa.RecordBatch] = field(default_factory=list)
    torn_bytes: int = 0
    """Bytes behind the last commit: a write that was under way when the recorder died."""

    @property
    def rows(self) -> int:
        """Events that can be read."""
        return sum(batch.num_rows for batch in self.batches)


def read_open(path: Path) -> OpenSegment:
    """All committed batches of an open segment, also of one that is being written.

    Raises:
        FormatError: the file cannot be read.
    """
    try:
        data = memoryview(path.read_bytes())
    except OSError as error:
        raise FormatError(f"cannot read {path}: {error.strerror}") from error
    segment = OpenSegment()
    end = 0
    for batches, committed in _commits(data):
        segment.batches += batches
        end = committed
    if data[end:].tobytes() != _END_OF_STREAM:
        segment.torn_bytes = len(data) - end
    return segment


def _commits(data: memoryview) -> Iterator[tuple[list[pa.RecordBatch], int]]:
    """The batches of each valid commit, and where it ends; stops at the first damage."""
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
            end = source.tell()
            yield pending, end
            pending = []
    except (StopIteration, pa.ArrowException, OSError, ValueError, MemoryError):
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
        self._temporary = path.with_suffix(path.suffix + ".tmp")
        flags = os.O_CREAT | os.O_TRUNC | os.O_WRONLY
        self._file = os.fdopen(os.open(self._temporary, flags, 0o640), "wb")
        self._parquet = pq.ParquetWriter(
            self._file,
            schema.OPEN_EVENTS,
            compression="zstd",
            use_dictionary=[f.name for f in schema.EVENTS if f.name not in _DELTA],
            column_encoding=dict.fromkeys(_DELTA, "DELTA_BINARY_PACKED"),
            write_statistics=list(_WITH_BOUNDS),
            store_schema=False,
        )

    def write(self, batches: list[pa.RecordBatch]) -> None:
        """Append events, of schema ``OPEN_EVENTS``, as one row group in the order given."""
        table = pa.Table.from_batches(batches, schema.OPEN_EVENTS).unify_dictionaries()
        self._parquet.write_table(table, row_group_size=max(1, table.num_rows))

    def close(self, metadata: dict[str, str]) -> None:
        """Finish the file; ``metadata`` goes into its footer as key-value metadata."""
        self._parquet.add_key_value_metadata({"ARROW:schema": _ARROW_SCHEMA, **metadata})
        self._parquet.close()
        self._file.close()
        put_in_place(self._temporary, self.path)


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


def seal(batches: Iterable[pa.RecordBatch], path: Path, metadata: dict[str, str]) -> None:
    """Write events of schema ``OPEN_EVENTS`` as a sealed segment, in the order given."""
    writer = SealedWriter(path)
    for group in row_groups(batches):
        writer.write(group)
    writer.close(metadata)
