# SPDX-License-Identifier: Apache-2.0
"""Small captures, written to disk as the capture format says."""

import itertools
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from snoop_format.schema import EVENTS, FORMAT
from snoop_format.session import SESSION_FILE, sealed_name

Event = dict[str, Any]
Record = Callable[..., Path]


def segment(events: Sequence[Event], first_seq: int = 0) -> pa.Table:
    """Events as the columns of a segment; what an event does not say is null or ordinary."""
    ordinary = {"cgroup_id": 1, "syscall": "openat", "ret": 3, "pid": 10, "tid": 10, "comm": "app"}
    rows = [{"seq": first_seq + n, **ordinary, **event} for n, event in enumerate(events)]
    return pa.Table.from_pylist(rows, EVENTS)


def write_session(
    directory: Path, events: Sequence[Event], segments: int = 1, **session: Any
) -> Path:
    """A session recorded to its end, in ``directory``, its events spread over ``segments``."""
    directory.mkdir(parents=True, exist_ok=True)
    size = max(1, -(-len(events) // segments))
    for number in range(segments):
        start = number * size
        table = segment(events[start : start + size], start)
        pq.write_table(table, directory / sealed_name(number + 1))
    ordinary = {
        "format": FORMAT,
        "session_id": directory.name,
        "containers": [{"cgroup_id": 1, "name": "app", "cgroup_path": "/app"}],
        "losses": {},
        "ended_at": "2026-01-01T00:00:00Z",
    }
    (directory / SESSION_FILE).write_text(json.dumps(ordinary | session))
    return directory


def in_order(events: duckdb.DuckDBPyRelation, column: str) -> list[Any]:
    """One column of events, in the order of the recording."""
    return [value for value, _ in events.project(f"{column}, seq").order("seq").fetchall()]


@pytest.fixture(scope="session")
def record(tmp_path_factory: pytest.TempPathFactory) -> Record:
    """Makes a capture of one session: ``record(events, segments=1, **session_json)``."""
    root = tmp_path_factory.mktemp("captures")
    numbers = itertools.count()

    def make(events: Sequence[Event], segments: int = 1, **session: Any) -> Path:
        return write_session(root / f"{next(numbers)}", events, segments, **session)

    return make
