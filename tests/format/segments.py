# SPDX-License-Identifier: Apache-2.0
"""Open segments with made-up events."""

from pathlib import Path

import pyarrow as pa

from snoop_format.schema import EVENTS, OPEN_EVENTS
from snoop_format.segment import SegmentWriter, read_open


def events(first: int, count: int) -> pa.RecordBatch:
    """``count`` events from ``seq`` ``first`` on."""
    rows = [
        {"seq": seq, "syscall": "openat", "path": f"/file/{seq % 7}", "ret": 3, "pid": 10}
        for seq in range(first, first + count)
    ]
    return pa.RecordBatch.from_pylist(rows, EVENTS).cast(OPEN_EVENTS)


def write(path: Path, sizes: list[int], close: bool = False) -> list[int]:
    """An open segment with a commit for each of ``sizes``; the file's size after each of them."""
    writer = SegmentWriter(path)
    ends = []
    for number, size in enumerate(sizes):
        writer.write(events(sum(sizes[:number]), size))
        ends.append(path.stat().st_size)
    if close:
        writer.close()
    else:
        writer._file.close()  # as if the recorder were killed
    return ends


def seqs(path: Path) -> list[int]:
    """The ``seq`` of all events that can be read."""
    return [seq for batch in read_open(path).batches for seq in batch.column("seq").to_pylist()]
