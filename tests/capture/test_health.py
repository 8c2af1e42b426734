# SPDX-License-Identifier: Apache-2.0
"""Is a recorder healthy, and what is said where it is not?"""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from snoop_capture.health import Health, summary
from tests.capture.test_metrics import STATE

CASES: dict[str, tuple[dict[str, Any], str | None]] = {
    "well": ({}, None),
    "detached": ({"attached": False}, "the BPF program is not attached: nothing is recorded"),
    "late": ({"last_flush": -100.0}, "events have not been written for 100 s"),
    "a little late": ({"last_flush": -20.0}, None),
    "disk": (
        {"failure": "No space left on device", "last_flush": -31.0},
        "nothing can be written: No space left on device",
    ),
    "losses": (
        {"losses": {"ring_full": 3, "busy": 1}},
        "4 events lost (3 ring_full, 1 busy), some within the last minute",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_health(tmp_path: Path, case: str) -> None:
    changes, reason = CASES[case]
    state = replace(STATE, losses={}, last_flush=time.monotonic())
    if "last_flush" in changes:
        changes = changes | {"last_flush": time.monotonic() + changes["last_flush"]}
    said = summary(Health(tmp_path, 1.0, lambda: replace(state, **changes)).checks())
    assert (said["healthy"], said["reason"]) == (reason is None, reason)
    assert said["checks"].keys() == {"program", "flush", "disk", "losses"}


def test_late_is_many_flush_intervals(tmp_path: Path) -> None:
    state = replace(STATE, last_flush=time.monotonic() - 100)
    assert Health(tmp_path, 20.0, lambda: state).checks()["flush"].ok
    assert not Health(tmp_path, 5.0, lambda: state).checks()["flush"].ok


def test_losses_that_rise_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("snoop_capture.health._RECENT", 0.2)
    state = replace(STATE, losses={"ring_full": 3})
    health = Health(tmp_path, 1.0, lambda: state)
    assert not health.checks()["losses"].ok
    time.sleep(0.3)
    check = health.checks()["losses"]
    assert (check.ok, check.text) == (True, "3 events lost (3 ring_full)")
    state = replace(state, losses={"ring_full": 4})
    assert not health.checks()["losses"].ok


def test_a_capture_directory_that_is_gone(tmp_path: Path) -> None:
    check = Health(tmp_path / "none", 1.0, lambda: STATE).checks()["disk"]
    assert not check.ok
    assert "No such file or directory" in check.text
