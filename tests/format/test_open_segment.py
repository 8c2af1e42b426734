# SPDX-License-Identifier: Apache-2.0
"""Of an open segment exactly what was committed is read, whatever happened to its end."""

import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from snoop_format.errors import FormatError
from snoop_format.schema import EVENTS, OPEN_EVENTS
from snoop_format.segment import SegmentWriter, read_open
from tests.format.segments import events, seqs, write

SIZES = [5, 1, 40, 3]
AFTER = [sum(SIZES[:count]) for count in range(len(SIZES) + 1)]  # events after each commit


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, list[int]]:
    """A segment's bytes, and where each of its commits ends."""
    path = tmp_path_factory.mktemp("segment") / "whole.arrows"
    ends = write(path, SIZES)
    return path.read_bytes(), ends


def committed(ends: list[int], size: int) -> int:
    """How many events were committed within the first ``size`` bytes."""
    return AFTER[sum(end <= size for end in ends)]


def check(path: Path, data: bytes, events_left: int) -> None:
    path.write_bytes(data)
    assert seqs(path) == list(range(events_left))


def test_all_commits_are_read(whole: tuple[bytes, list[int]], tmp_path: Path) -> None:
    data, ends = whole
    assert ends[-1] == len(data)
    check(tmp_path / "s", data, AFTER[-1])
    assert read_open(tmp_path / "s").torn_bytes == 0


def test_a_closed_stream_has_no_torn_bytes(tmp_path: Path) -> None:
    write(tmp_path / "s", SIZES, close=True)
    segment = read_open(tmp_path / "s")
    assert (segment.rows, segment.torn_bytes) == (AFTER[-1], 0)


def test_cut_anywhere(whole: tuple[bytes, list[int]], tmp_path: Path) -> None:
    data, ends = whole
    near = {end + step for end in [0, *ends] for step in range(-9, 10)}
    for size in sorted({*range(0, len(data), 13), *near} & set(range(len(data)))):
        check(tmp_path / "s", data[:size], committed(ends, size))


def test_torn_bytes_are_those_behind_the_last_commit(
    whole: tuple[bytes, list[int]], tmp_path: Path
) -> None:
    data, ends = whole
    (tmp_path / "s").write_bytes(data[: ends[2] + 100])
    assert read_open(tmp_path / "s").torn_bytes == 100


def test_zeroed_from_anywhere_on(whole: tuple[bytes, list[int]], tmp_path: Path) -> None:
    """After power loss the file may have its length, and zeros where data was to be."""
    data, ends = whole
    for size in range(0, len(data), 97):
        zeroed = data[:size] + bytes(len(data) - size)
        # What was cut may have been zeros itself, at the end of a commit.
        same = next((at for at in range(size, len(data)) if data[at]), len(data))
        check(tmp_path / "s", zeroed, committed(ends, same))


def test_zeros_behind_the_end(whole: tuple[bytes, list[int]], tmp_path: Path) -> None:
    data, _ = whole
    for count in (1, 3, 4, 8, 4096, 1 << 20):
        check(tmp_path / "s", data + bytes(count), AFTER[-1])


def test_garbage_behind_the_end(whole: tuple[bytes, list[int]], tmp_path: Path) -> None:
    data, _ = whole
    for garbage in (b"\xff" * 8, b"\xff" * 4096, os.urandom(4096), data, data[100:]):
        check(tmp_path / "s", data + garbage, AFTER[-1])


def test_a_flipped_byte_ends_the_segment_at_the_commit_before(
    whole: tuple[bytes, list[int]], tmp_path: Path
) -> None:
    data, ends = whole
    (tmp_path / "s").write_bytes(data)
    written = rows(tmp_path / "s")
    for at in range(0, len(data), 7):
        flipped = bytearray(data)
        flipped[at] ^= 0x40
        (tmp_path / "s").write_bytes(flipped)
        read = rows(tmp_path / "s")
        assert read == written[: len(read)], at
        before = committed(ends, at)
        # A flip in the message that closes a commit need not harm what that says.
        closing = commit_message(data, at, ends)
        assert len(read) == before or (closing and len(read) == AFTER[AFTER.index(before) + 1]), at


def test_damage_is_what_hides_more_than_one_write(
    whole: tuple[bytes, list[int]], tmp_path: Path
) -> None:
    data, ends = whole
    first, second, third, last = ends
    assert last == len(data)
    flips = {0: True, first + 50: True, second - 50: True, second + 50: True, third + 50: False}
    for at, damaged in flips.items():
        flipped = bytearray(data)
        flipped[at] ^= 0x40
        assert damaged_by(tmp_path, bytes(flipped)) is damaged, at
    for size in range(0, len(data), 13):  # torn
        assert not damaged_by(tmp_path, data[:size]), size
        assert not damaged_by(tmp_path, data[:size] + bytes(len(data) - size)), size
    assert not damaged_by(tmp_path, data)
    assert damaged_by(tmp_path, data[:first] + bytes(50) + data[first + 50 :])
    assert damaged_by(tmp_path, data[:first] + data[first + 1 :])  # a byte is gone


def test_a_path_with_the_name_of_a_checksum_is_no_commit(tmp_path: Path) -> None:
    key = "snoop.crc32"
    row = {"path": f"/{key}", "path_bytes": b"\xff\x0b" + key.encode(), "comm": key, "exe": key}
    rows = [{"seq": seq, "base": f"/{seq}/{key}", **row} for seq in range(99)]
    writer = SegmentWriter(tmp_path / "whole")
    writer.write(events(0, 10))
    end = writer.bytes
    writer.write(pa.RecordBatch.from_pylist(rows, EVENTS).cast(OPEN_EVENTS))
    writer.close()
    data = (tmp_path / "whole").read_bytes()
    assert data.count(b"snoop.crc32") > 3
    for size in range(end, len(data) - 8, 7):
        assert not damaged_by(tmp_path, data[:size]), size


def damaged_by(directory: Path, data: bytes) -> bool:
    (directory / "s").write_bytes(data)
    return read_open(directory / "s").damaged


def rows(path: Path) -> list[dict[str, Any]]:
    return [row for batch in read_open(path).batches for row in batch.to_pylist()]


def commit_message(data: bytes, at: int, ends: list[int]) -> bool:
    """Is byte ``at`` in the message without rows at the end of its commit?"""
    end = next(end for end in ends if at < end)
    checksum = data.rindex(b"snoop.crc32", 0, end)
    return at >= data.rindex(b"\xff" * 4, 0, checksum)  # how an Arrow message begins


def test_a_zeroed_page_in_the_middle(tmp_path: Path) -> None:
    sizes = [2000] * 5
    ends = write(tmp_path / "whole", sizes)
    data = (tmp_path / "whole").read_bytes()
    for page in range(0, len(data) - 4096, 4096):
        holed = data[:page] + bytes(4096) + data[page + 4096 :]
        (tmp_path / "s").write_bytes(holed)
        assert len(seqs(tmp_path / "s")) == sum(end <= page for end in ends) * 2000


@pytest.mark.parametrize("data", [b"", b"\0", b"\xff" * 8, bytes(4096), b"not Arrow at all" * 9])
def test_what_is_no_segment_has_no_events(data: bytes, tmp_path: Path) -> None:
    check(tmp_path / "s", data, 0)


def test_a_segment_that_is_being_written_can_be_read(tmp_path: Path) -> None:
    writer = SegmentWriter(tmp_path / "s")
    for number in range(3):
        writer.write(events(10 * number, 10))
        assert seqs(tmp_path / "s") == list(range(10 * (number + 1)))
        assert writer.rows == 10 * (number + 1)
        assert writer.bytes == (tmp_path / "s").stat().st_size
    writer.close()


def test_what_is_read_is_what_was_written(tmp_path: Path) -> None:
    batch = events(0, 100)
    writer = SegmentWriter(tmp_path / "s")
    writer.write(batch)
    writer.close()
    (read,) = read_open(tmp_path / "s").batches
    assert read.schema.equals(OPEN_EVENTS)
    assert read.to_pylist() == batch.to_pylist()


def test_an_old_segment_is_not_overwritten(tmp_path: Path) -> None:
    write(tmp_path / "s", [4])
    with pytest.raises(FileExistsError):
        SegmentWriter(tmp_path / "s")
    assert seqs(tmp_path / "s") == [0, 1, 2, 3]


def test_a_segment_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"cannot read .*/missing: No such file or directory"):
        read_open(tmp_path / "missing")
