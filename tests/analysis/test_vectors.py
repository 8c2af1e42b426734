# SPDX-License-Identifier: Apache-2.0
"""What the Go program answers, the replay of a capture on disk answers too."""

import json
from pathlib import Path
from typing import Any

import pytest

from snoop_analysis import Capture
from snoop_analysis.replay import Replay

from .conftest import Record, in_order

RENAMED = {"processed": "new"}
COPY = Path(__file__).parents[1] / "vectors"
SHARED = Path(__file__).parents[3] / "shared" / "vectors"


def vectors(name: str) -> list[dict[str, Any]]:
    source = SHARED if (SHARED / name).exists() else COPY
    return [json.loads(line) for line in (source / name).read_text().splitlines()]


@pytest.mark.parametrize("name", ["normalize.jsonl", "replay.jsonl"])
def test_copies_are_identical(name: str) -> None:
    if not (SHARED / name).exists():
        pytest.skip(f"{SHARED / name} is not on this machine")
    assert (COPY / name).read_bytes() == (SHARED / name).read_bytes()


def test_normalise(record: Record) -> None:
    facts = vectors("normalize.jsonl")
    events = [{"path": fact["path"], "base": fact["base"] or None} for fact in facts]
    capture = Capture(record(events, segments=3))
    wanted = [fact["normalized"] for fact in facts]
    replayed = capture.replay(exclude=[]).results
    assert in_order(replayed, "file") == wanted
    assert in_order(capture.events, "file") == wanted


@pytest.mark.parametrize("scenario", vectors("replay.jsonl"), ids=lambda fact: str(fact["name"]))
def test_replay(record: Record, scenario: dict[str, Any]) -> None:
    events = [{"cgroup_id": cgroup_id, "path": path} for cgroup_id, path in scenario["events"]]
    containers = [
        {"cgroup_id": int(cgroup_id), "name": name, "cgroup_path": f"/{name}"}
        for cgroup_id, name in scenario["containers"].items()
    ]
    capture = Capture(record(events, segments=2, containers=containers))
    replay = capture.replay(
        exclude=scenario["exclude"], max_unique_files=scenario["max_unique_files"]
    )
    report = replay.report()

    assert in_order(replay.results, "result") == scenario["results"]
    assert {str(one.cgroup_id): one.files for one in report.containers} == scenario["files"]
    assert report.completeness.unknown_container_events == scenario["unknown_events"]
    assert by_container(replay) == {
        int(cgroup_id): {RENAMED.get(name, name): count for name, count in stats.items()}
        for cgroup_id, stats in scenario["stats"].items()
    }


def by_container(replay: Replay) -> dict[int, dict[str, int]]:
    """The columns of ``replay.stats`` that the Go program has too."""
    columns = ["received", "new", "duplicate", "excluded", "evicted", "unique_files"]
    *rows, together = replay.stats.project(f"cgroup_id, {', '.join(columns)}").fetchall()
    assert together == (None, *(sum(counts) for counts in list(zip(*rows, strict=True))[1:]))
    return {row[0]: dict(zip(columns, row[1:], strict=True)) for row in rows}
