# SPDX-License-Identifier: Apache-2.0
"""How BPF programs get at the kernel's tracepoints without being kept from running."""

import os
import platform
import re
from pathlib import Path
from typing import Final

# Since this release a program on a raw tracepoint may be preempted, and until it goes on the kernel
# does not run it for other tasks of that CPU. It does not preempt programs on the events that perf
# makes of tracepoints: Linux, __bpf_trace_run() of kernel/trace/bpf_trace.c, include/trace/perf.h.
_PREEMPTIBLE_SINCE: Final = (7, 0)
TRACEFS: Final = Path("/sys/kernel/tracing")
_TRACEFS: Final = (TRACEFS, Path("/sys/kernel/debug/tracing"))


def are_preemptible() -> bool:
    """Does this kernel preempt programs on raw tracepoints?"""
    return tuple(map(int, re.findall(r"\d+", platform.release())[:2])) >= _PREEMPTIBLE_SINCE


def have_events() -> bool:
    """Can the numbers of perf's events be read? They stand in tracefs."""
    events = (root / "events/raw_syscalls/sys_exit/id" for root in _TRACEFS)
    return any(os.access(event, os.R_OK) for event in events)
