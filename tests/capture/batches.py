# SPDX-License-Identifier: Apache-2.0
"""Made-up events for the part of the recorder that writes them."""

from pathlib import Path
from typing import Any

import pyarrow as pa

from snoop_capture.events import UNNUMBERED
from snoop_format.schema import EVENTS

_UNNUMBERED = EVENTS.remove(0)


def batch(first: int, count: int, **values: Any) -> pa.RecordBatch:
    """Events of numbered paths, as the recorder hands them on to be written."""
    rows = [
        {
            "ts": number,
            "cgroup_id": 7,
            "pid": 10,
            "exe": "/bin/a",
            "comm": "a",
            "syscall": "openat",
            "ret": 3,
            "path": f"/file/{number}",
            **values,
        }
        for number in range(first, first + count)
    ]
    return pa.RecordBatch.from_pylist(rows, _UNNUMBERED).cast(UNNUMBERED)


def numbers(paths: list[str | None]) -> list[int]:
    """The numbers of such paths."""
    return [int(Path(path).name) for path in paths if path is not None]
