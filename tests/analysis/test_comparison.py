# SPDX-License-Identifier: Apache-2.0
"""Two replays side by side."""

from snoop_analysis import Capture
from snoop_analysis.comparison import difference

from .conftest import Record


def test_a_difference_stays_that_of_its_two_replays(record: Record) -> None:
    capture = Capture(record([{"path": "/a"}, {"path": "/b", "syscall": "stat"}]))
    whole, opened, looked_at = (
        capture.replay(syscalls=syscalls) for syscalls in (None, ["openat"], ["stat"])
    )
    differences = [difference(whole, other) for other in (opened, looked_at)]
    answers = [dict(one.project("file, used").fetchall()) for one in differences]
    assert answers == [{"/a": "both", "/b": "only in A"}, {"/a": "only in A", "/b": "both"}]
