# SPDX-License-Identifier: Apache-2.0
"""The columns of an event, in the order in which they stand in a segment."""

from typing import Final

import pyarrow as pa

FORMAT: Final = 1

AT_FDCWD: Final = -100

# Why a row is unusual (column ``note``); null for an ordinary row.
BLOCKED: Final = "blocked"
RESTARTED: Final = "restarted"
CANCELLED: Final = "cancelled"
RESULT_LOST: Final = "result_lost"
UNREADABLE: Final = "unreadable"
UNRESOLVED_BASE: Final = "unresolved_base"
DELETED: Final = "deleted"
INFERRED: Final = "inferred"

# Which of its two paths a row of a two-path call is about (column ``path_role``).
OLD: Final = "old"
NEW: Final = "new"

_WORD: Final = pa.dictionary(pa.int32(), pa.string())

EVENTS: Final = pa.schema(
    [
        ("seq", pa.uint64()),
        ("ts", pa.timestamp("us", tz="UTC")),
        ("cgroup_id", pa.uint64()),
        ("pid", pa.uint32()),
        ("tid", pa.uint32()),
        ("comm", _WORD),
        ("ppid", pa.uint32()),
        ("uid", pa.uint32()),
        ("exe", _WORD),
        ("syscall", _WORD),
        ("dirfd", pa.int32()),
        ("flags", pa.uint64()),
        ("ret", pa.int32()),
        ("note", _WORD),
        ("path", pa.string()),
        ("path_role", _WORD),
        ("base", pa.string()),
        ("real_path", pa.string()),
        ("dev", pa.uint64()),
        ("ino", pa.uint64()),
        ("path_bytes", pa.binary()),
        ("base_bytes", pa.binary()),
        ("real_path_bytes", pa.binary()),
    ]
)
"""The events of a sealed segment. An open segment has the same columns; there the string
columns are dictionary-encoded, which every Arrow reader takes for strings."""

OPEN_EVENTS: Final = pa.schema(
    [pa.field(f.name, _WORD if f.type == pa.string() else f.type) for f in EVENTS]
)

PATH_BYTES: Final = ("path_bytes", "base_bytes", "real_path_bytes")
"""The columns of exact bytes, which few rows have."""
