# SPDX-License-Identifier: Apache-2.0
"""The events that perf makes of tracepoints: the kernel does not preempt programs on them."""

import ctypes
import errno
import fcntl
import os
import platform
import re
import struct
from pathlib import Path
from typing import Final

# Since this release a program on a raw tracepoint may be preempted, and until it goes on the kernel
# does not run it for other tasks of that CPU. It does not preempt programs on the events that perf
# makes of tracepoints: Linux, __bpf_trace_run() of kernel/trace/bpf_trace.c, include/trace/perf.h.
_PREEMPTIBLE_SINCE: Final = (7, 0)
SYS_ENTER: Final = "raw_syscalls:sys_enter"
_TRACEFS: Final = (Path("/sys/kernel/tracing"), Path("/sys/kernel/debug/tracing"))

# perf_event_open(2): numbers of the call, and struct perf_event_attr as it was at first.
_NUMBER: Final = {"x86_64": 298, "aarch64": 241}
_ATTRIBUTES: Final = struct.Struct("=IIQQQQQIIQ")
_TYPE_TRACEPOINT: Final = 2
_DISABLED: Final = 1  # perf itself has nothing to do: programs run all the same
_CLOSE_ON_EXEC: Final = 8
_SET_BPF: Final = 0x40042408  # PERF_EVENT_IOC_SET_BPF

_PREEMPTED: Final = (
    "this kernel preempts programs on raw tracepoints, and calls are lost by that (not_run); "
    "they would not be on perf's events, but"
)


def are_preemptible() -> bool:
    """Does this kernel preempt programs on raw tracepoints?"""
    return tuple(map(int, re.findall(r"\d+", platform.release())[:2])) >= _PREEMPTIBLE_SINCE


def obstacle() -> str | None:
    """Why this process can have no events, and what to do about it; None if it can."""
    try:
        os.close(open_event("raw_syscalls:sys_exit"))
    except FileNotFoundError:
        return f"{_PREEMPTED} there is no tracefs: mount it at {_TRACEFS[0]}, read-only is enough"
    except PermissionError as error:
        refused = error.filename or "perf_event_open(2)"
        return f"{_PREEMPTED} the use of {refused} is refused: allow it, or run as root"
    except OSError as error:
        return f"{_PREEMPTED} they cannot be had: {error.strerror}"
    return None


def attach_raw(point: str, program: int) -> int:
    """Run a program at the raw tracepoint ``category:name`` as long as the result is open.

    Raises:
        OSError: there is no such tracepoint, or the kernel refuses.
    """
    libbpf = ctypes.CDLL("libbpf.so.1", use_errno=True)
    name = point.rpartition(":")[2]
    return _descriptor(libbpf.bpf_raw_tracepoint_open(name.encode(), program))


def open_event(point: str) -> int:
    """The event of the tracepoint ``category:name``, perf_event_open(2).

    Raises:
        OSError: it cannot be had; with a file name if tracefs does not tell its number.
    """
    attributes = _ATTRIBUTES.pack(
        _TYPE_TRACEPOINT, _ATTRIBUTES.size, _number(point), 0, 0, 0, _DISABLED, 0, 0, 0
    )
    cpu = min(os.sched_getaffinity(0))  # any that is there: programs run on all of them
    call = ctypes.CDLL(None, use_errno=True).syscall
    return _descriptor(call(_NUMBER[platform.machine()], attributes, -1, cpu, -1, _CLOSE_ON_EXEC))


def attach(event: int, program: int) -> None:
    """Run a program at an event as long as that is open; this takes no privilege.

    Raises:
        OSError: the program does not go with the event, or there is one already.
    """
    fcntl.ioctl(event, _SET_BPF, program)


def _descriptor(result: int) -> int:
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return result


def _number(point: str) -> int:
    place = Path("events", *point.split(":"), "id")
    for root in _TRACEFS:
        try:
            return int(Path(root, place).read_text())
        except FileNotFoundError:
            continue
    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(_TRACEFS[0] / place))
