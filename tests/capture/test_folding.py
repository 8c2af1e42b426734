# SPDX-License-Identifier: Apache-2.0
"""Folding events into a summary, against grouping them by all columns of a key at once."""

import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from snoop_capture import folding
from snoop_capture.folding import fold
from snoop_format.schema import EVENTS, OPEN_EVENTS
from snoop_format.summary import KEYS, SUMMARY

CHOICES: dict[str, list[Any]] = {
    "ts": [None, 1, 2, 3],
    "cgroup_id": [None, 0, 2**64 - 1],
    "exe": [None, "/bin/a", ""],
    "comm": [None, "a", "b"],
    "syscall": ["openat", "stat"],
    "flags": [None, 0, 2**63],
    "ret": [None, 0, 3, -2, -13],
    "note": [None, "restarted"],
    "path": [None, "", "/a", "/b"],
    "base": [None, "/"],
    "real_path": [None, "/a"],
    "path_bytes": [None, b"", b"\xff"],
}
Folded = dict[tuple[Any, ...], tuple[Any, ...]]


def grouped(events: list[dict[str, Any]]) -> Folded:
    """Count, first and last time by key."""
    found: Folded = {}
    for event in events:
        ret = event["ret"] and min(event["ret"], 0)
        comm = event["comm"] if event["exe"] is None else None
        key = tuple((event | {"ret": ret, "comm": comm}).get(name) for name in KEYS)
        count, *times = found.get(key, (0, None, None))
        times = [t for t in (*times, event["ts"]) if t is not None]
        found[key] = (count + 1, min(times, default=None), max(times, default=None))
    return found


def as_grouped(summary: pa.Table) -> Folded:
    times = ("first_seen", "last_seen")
    rows = summary.select(KEYS).to_pylist()
    seen = zip(*(summary[name].cast(pa.int64()).to_pylist() for name in times), strict=True)
    counts = summary["count"].to_pylist()
    keys = [tuple(row.values()) for row in rows]
    assert len(set(keys)) == len(keys)
    return {key: (count, *when) for key, count, when in zip(keys, counts, seen, strict=True)}


@pytest.mark.parametrize("largest", [1 << 62, 100])  # so small that keys are numbered anew
@pytest.mark.parametrize("schema", [OPEN_EVENTS, EVENTS.remove(EVENTS.get_field_index("note"))])
def test_folding(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, schema: pa.Schema, largest: int
) -> None:
    monkeypatch.setattr(folding, "_LARGEST", largest)
    pick = random.Random(1)
    summary = SUMMARY.empty_table()
    events: list[dict[str, Any]] = []
    for number in range(3):
        new = [{name: pick.choice(of) for name, of in CHOICES.items()} for _ in range(2000)]
        if "note" not in schema.names:
            new = [event | {"note": None} for event in new]
        segment = tmp_path / f"{number}.parquet"
        pq.write_table(pa.Table.from_pylist(new, schema), segment, row_group_size=700)
        summary = fold(summary, segment)
        events += new
    assert summary.schema == SUMMARY
    assert as_grouped(summary) == grouped(events)
