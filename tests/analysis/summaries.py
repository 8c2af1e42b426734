# SPDX-License-Identifier: Apache-2.0
"""Removing the first segments of a session and leaving a summary, as docs/format.md says it."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from snoop_format.session import SESSION_FILE, sealed_name
from snoop_format.summary import KEYS, SUMMARY, Dropped, write_summary


def remove_segments(directory: Path, count: int, summarize: bool = True) -> Dropped:
    """Remove the first ``count`` segments of a session; what was removed."""
    rows: list[dict[str, Any]] = []
    for number in range(1, count + 1):
        rows += pq.read_table(directory / sealed_name(number)).to_pylist()
    times = [row["ts"].isoformat() for row in rows if row["ts"]]
    dropped = Dropped(
        segments=count,
        rows=len(rows),
        summarized_rows=len(rows) if summarize else 0,
        bytes=1,
        last_segment=count,
        first_seq=rows[0]["seq"] if rows else None,
        last_seq=rows[-1]["seq"] if rows else None,
        first_ts=min(times, default=None),
        last_ts=max(times, default=None),
    )
    if summarize:
        write_summary(directory, summary(rows), dropped, directory.name)
    session = json.loads((directory / SESSION_FILE).read_text())
    (directory / SESSION_FILE).write_text(json.dumps(session | {"dropped": dropped.as_json()}))
    for number in range(1, count + 1):
        (directory / sealed_name(number)).unlink()
    return dropped


def summary(rows: Sequence[dict[str, Any]]) -> pa.Table:
    """The distinct accesses of events."""
    accesses: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in rows:
        same = dict(row)
        if row["ret"] is not None and row["ret"] > 0:
            same["ret"] = 0
        if row["exe"] is not None:
            same["comm"] = None
        key = tuple(same[name] for name in KEYS)
        access = accesses.setdefault(
            key,
            dict(zip(KEYS, key, strict=True)) | {"count": 0, "first_seen": None, "last_seen": None},
        )
        access["count"] += 1
        for name, choose in (("first_seen", min), ("last_seen", max)):
            known = [time for time in (access[name], row["ts"]) if time]
            access[name] = choose(known, default=None)
    return pa.Table.from_pylist(list(accesses.values()), SUMMARY)
