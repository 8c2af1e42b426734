# SPDX-License-Identifier: Apache-2.0
"""Tests marked ``bpf`` run real BPF; where that cannot be they are skipped, with the reason."""

import os
import signal
from pathlib import Path

import pytest

from snoop_capture import cgroups, privileges
from snoop_capture.errors import CaptureError

_BTF = Path("/sys/kernel/btf/vmlinux")


def why_no_bpf() -> str | None:
    """What keeps this process from recording; None if nothing does."""
    try:
        privileges.require()
        own = cgroups.own()
    except CaptureError as error:
        return str(error)
    if not os.access(own, os.W_OK):
        return f"{own} is not writable: no cgroup can be made for a command"
    if not _BTF.exists():
        return f"this kernel has no BTF: there is no {_BTF}"
    return None


@pytest.fixture(scope="session", autouse=True)
def signals_end_programs() -> None:
    """Also where the tests run below nohup, or as a job in the background, which ignore some."""
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    needing_bpf = [item for item in items if item.get_closest_marker("bpf")]
    reason = why_no_bpf() if needing_bpf else None
    if reason is None:
        return
    for item in needing_bpf:
        item.add_marker(pytest.mark.skip(reason=reason))
