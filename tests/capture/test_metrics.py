# SPDX-License-Identifier: Apache-2.0
"""What is counted and measured, as Prometheus reads it."""

import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest
from prometheus_client.parser import text_string_to_metric_families

from snoop_capture.metrics import MOST_CONTAINERS, Metrics
from snoop_capture.observer import State
from snoop_format.schema import OPEN_EVENTS

Samples = dict[tuple[str, str], float]
"""Values by the sample's name and its labels' values."""

STATE = State(
    events=100,
    losses={"ring_full": 3},
    defects={"unreadable": 2},
    moved_out=4,
    attached=True,
    ring_fill=0.25,
    queued_bytes=4096,
    queued_events=7,
    last_event=1_790_000_000.5,
    last_flush=time.monotonic(),
    failure=None,
    segment=5,
    unsealed=1,
)


def events(rows: Iterable[tuple[int, str]]) -> pa.RecordBatch:
    """A batch of the given cgroups and system calls."""
    cgroups, syscalls = zip(*rows, strict=True)
    known = {"cgroup_id": cgroups, "syscall": syscalls}
    nothing = [None] * len(cgroups)
    columns = [pa.array(known.get(f.name, nothing), f.type) for f in OPEN_EVENTS]
    return pa.record_batch(columns, schema=OPEN_EVENTS)


def parsed(page: str) -> Samples:
    """A page of metrics as Prometheus reads it."""
    return {
        (sample.name, ",".join(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
    }


def scrape(metrics: Metrics) -> Samples:
    return parsed(metrics.page().decode())


def by_container(samples: Samples) -> dict[str, float]:
    return {
        labels: value
        for (name, labels), value in samples.items()
        if name == "snoop_container_events_total"
    }


@pytest.fixture
def metrics(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Metrics:
    monkeypatch.setattr("snoop_capture.metrics._FRESH", 0.0)
    return Metrics(tmp_path)


def test_the_state_of_the_recorder(metrics: Metrics) -> None:
    metrics.begun(lambda: STATE)
    samples = scrape(metrics)
    expected = {
        ("snoop_events_received_total", ""): 100,
        ("snoop_events_dropped_total", "ring_full"): 3,
        ("snoop_defects_total", "unreadable"): 2,
        ("snoop_moved_out_total", ""): 4,
        ("snoop_attached", ""): 1,
        ("snoop_ring_fill_ratio", ""): 0.25,
        ("snoop_queue_events", ""): 7,
        ("snoop_queue_bytes", ""): 4096,
        ("snoop_segment", ""): 5,
        ("snoop_segments_unsealed", ""): 1,
        ("snoop_last_event_timestamp_seconds", ""): 1_790_000_000.5,
    }
    assert {key: samples[key] for key in expected} == expected
    flushed = samples["snoop_last_flush_timestamp_seconds", ""]
    assert flushed == pytest.approx(time.time() - (time.monotonic() - STATE.last_flush), abs=1)
    assert samples["snoop_disk_free_bytes", ""] > 0
    assert samples["process_resident_memory_bytes", ""] > 0
    assert [value for (name, _), value in samples.items() if name == "snoop_build_info"] == [1]


def test_before_the_first_event(metrics: Metrics) -> None:
    metrics.begun(lambda: replace(STATE, last_event=None, losses={}))
    samples = scrape(metrics)
    assert "snoop_last_event_timestamp_seconds" not in {name for name, _ in samples}
    dropped = {cause: n for (name, cause), n in samples.items() if "dropped" in name}
    causes = ("ring_full", "busy", "tail_call", "not_run", "not_written", "removed")
    assert dropped == dict.fromkeys(causes, 0)  # so that the first loss is an increase


def test_what_the_recorder_does(metrics: Metrics) -> None:
    for size, seconds in ((1000, 0.002), (2000, 0.2)):
        metrics.flushed(size, seconds)
    metrics.sealed(500, 4.0)
    metrics.removed(3, 900)
    metrics.failed("ENOSPC")
    metrics.failed("ENOSPC")
    samples = scrape(metrics)
    expected = {
        ("snoop_written_bytes_total", ""): 3000,
        ("snoop_flush_seconds_count", ""): 2,
        ("snoop_flush_seconds_bucket", "0.003"): 1,
        ("snoop_segments_sealed_total", ""): 1,
        ("snoop_sealed_bytes_total", ""): 500,
        ("snoop_seal_seconds_sum", ""): 4.0,
        ("snoop_segments_removed_total", ""): 3,
        ("snoop_removed_bytes_total", ""): 900,
        ("snoop_errors_total", "ENOSPC"): 2,
    }
    assert {key: samples[key] for key in expected} == expected


def test_events_by_container_and_call(metrics: Metrics) -> None:
    web = {"cgroup_id": 1, "name": "web", "container_id": "4f", "pod_uid": "u"}
    metrics.named([web, web | {"cgroup_id": 2, "name": "web/worker"}])
    metrics.written(events([(1, "openat"), (1, "stat"), (2, "openat"), (3, "openat")]))
    metrics.written(events([(1, "openat")]))
    assert by_container(scrape(metrics)) == {
        "web,u,openat": 3,
        "web,u,stat": 1,
        "cgroup-3,,openat": 1,
    }
    metrics.named([{"cgroup_id": 3, "name": "4f1c2a"}])
    metrics.written(events([(3, "stat")]))
    assert by_container(scrape(metrics))["4f1c2a,,openat"] == 1
    # A restarted container has the name that another one has already.
    metrics.named([{"cgroup_id": 3, "name": "web", "pod_uid": "u"}])
    assert by_container(scrape(metrics)) == {"web,u,openat": 4, "web,u,stat": 2}


def test_cgroups_that_are_no_containers_are_told_apart(metrics: Metrics) -> None:
    metrics.named([{"cgroup_id": 1, "name": "app"}, {"cgroup_id": 2, "name": "app/worker"}])
    metrics.written(events([(1, "stat"), (2, "stat"), (2, "openat")]))
    assert by_container(scrape(metrics)) == {
        "app,,stat": 1,
        "app/worker,,stat": 1,
        "app/worker,,openat": 1,
    }


def test_the_number_of_containers_is_bounded(metrics: Metrics) -> None:
    rows = [(cgroup, "stat") for cgroup in range(1, 10 * MOST_CONTAINERS)]
    metrics.written(events(rows))
    metrics.named([{"cgroup_id": c, "name": f"c{c}"} for c in range(1, 10 * MOST_CONTAINERS)])
    metrics.written(events(rows))
    counted = by_container(scrape(metrics))
    assert len(counted) == MOST_CONTAINERS + 1
    assert sum(counted.values()) == 2 * len(rows)
    assert counted["other,,stat"] == 2 * (len(rows) - MOST_CONTAINERS)


def test_hostile_names(metrics: Metrics) -> None:
    name = 'a"} 1\nsnoop_attached 0\\'
    metrics.named([{"cgroup_id": 1, "name": name}])
    metrics.written(events([(1, "stat")]))
    assert by_container(scrape(metrics)) == {f"{name},,stat": 1}


def test_a_page_is_made_once_a_second(tmp_path: Path) -> None:
    asked = []
    metrics = Metrics(tmp_path)
    metrics.begun(lambda: asked.append(1) or STATE)  # type: ignore[func-returns-value]
    assert len({metrics.page() for _ in range(100)}) == 1
    assert len(asked) == 1
