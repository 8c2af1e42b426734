# SPDX-License-Identifier: Apache-2.0
"""Whatever is in the files: an answer or a sentence, never another exception."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from snoop_analysis import Capture
from snoop_analysis.errors import AnalysisError
from snoop_analysis.summary import summary
from snoop_format.session import SESSION_FILE, open_name, sealed_name

from .conftest import Record
from .test_capture import write_open

EVENTS = [{"path": f"/{n}", "base": "/b", "ret": n % 3 - 1} for n in range(50)]
QUICK = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
EDITS = st.lists(st.tuples(st.integers(0, 1 << 20), st.binary(max_size=8)), min_size=1, max_size=4)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5)
JSON = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)
FIELDS = [
    "format",
    "session_id",
    "host",
    "boot_id",
    "pod_name",
    "namespace",
    "started_at",
    "ended_at",
    "containers",
    "losses",
    "segments",
    "defects",
    "io_uring",
    "left_running",
    "moved_out",
    "dropped",
]


def ask(path: Path, skip_damaged: bool) -> None:
    try:
        replay = Capture(path, skip_damaged=skip_damaged).replay(max_unique_files=10)
        report = replay.report()
        json.dumps(report.as_dict())
        summary(report)
        replay.breakdown("directory", "errno").fetchall()
    except AnalysisError:
        return


@QUICK
@given(edits=EDITS, cut=st.integers(0, 1 << 20) | st.none(), skip=st.booleans())
@pytest.mark.parametrize("name", [sealed_name(1), open_name(2)])
def test_bytes(record: Record, name: str, edits: Any, cut: int | None, skip: bool) -> None:
    path = record(EVENTS)
    write_open(path / open_name(2), EVENTS, len(EVENTS))
    data = bytearray((path / name).read_bytes())
    for place, piece in edits:
        place %= len(data)
        data[place : place + len(piece)] = piece
    (path / name).write_bytes(data[: cut % len(data)] if cut is not None else data)
    ask(path, skip)


@QUICK
@given(said=st.dictionaries(st.sampled_from(FIELDS), JSON), skip=st.booleans())
def test_session_json(record: Record, said: dict[str, Any], skip: bool) -> None:
    path = record(EVENTS)
    (path / SESSION_FILE).write_text(json.dumps({"format": 1} | said))
    ask(path, skip)


@QUICK
@given(
    containers=st.lists(
        st.dictionaries(
            st.sampled_from(["cgroup_id", "name", "cgroup_path", "image", "image_digest"]),
            JSON | st.just(1),
        ),
        max_size=3,
    )
)
def test_containers(record: Record, containers: list[dict[str, Any]]) -> None:
    ask(record(EVENTS, containers=containers), False)
