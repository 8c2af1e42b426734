# SPDX-License-Identifier: Apache-2.0
"""Reports keep to their schema, and to the types of the Go program."""

import json
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest

from snoop_analysis import Capture

from .conftest import Event, Record

SCHEMA = json.loads(files("snoop_analysis").joinpath("report.schema.json").read_text())
TIME = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("events", "settings", "session"),
    [
        ([], {}, {}),
        ([{"path": "/a", "ts": TIME}], {"since": TIME, "until": "2027-01-01"}, {"pod_name": "p"}),
        ([{"path": "?", "path_bytes": b"/\xff"}], {"exclude": []}, {"namespace": "n"}),
        ([{"path": None}, {"path": "x"}], {"max_unique_files": 1}, {"losses": {"a": 2**62}}),
        ([{"path": "/a", "ts": 1 << 61}], {"syscalls": ["openat"], "containers": ["app"]}, {}),
        ([{"path": "/a"}, {"path": "/b", "seq": 9}], {"found_only": True}, {"started_at": "x"}),
    ],
)
def test_schema(record: Record, events: list[Event], settings: Any, session: Any) -> None:
    report = Capture(record(events, **session)).replay(**settings).report()
    said = json.loads(json.dumps(report.as_dict()))
    jsonschema.validate(said, SCHEMA, format_checker=jsonschema.FormatChecker())
    for name in ("started_at", "last_updated_at"):
        datetime.fromisoformat(said[name])


def test_the_sample_keeps_to_the_schema() -> None:
    jsonschema.validate(Capture.sample().replay().report().as_dict(), SCHEMA)


def test_cgroup_ids_are_unsigned(record: Record) -> None:
    greatest = 2**64 - 1
    containers = [{"cgroup_id": greatest, "name": "", "cgroup_path": ""}]
    report = (
        Capture(record([{"path": "/a", "cgroup_id": greatest}], containers=containers))
        .replay()
        .report()
    )
    jsonschema.validate(report.as_dict(), SCHEMA)
    assert (report.containers[0].cgroup_id, report.containers[0].files) == (greatest, ["/a"])
