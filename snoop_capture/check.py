# SPDX-License-Identifier: Apache-2.0
"""``snoop-capture check``: what this machine offers, and what to do about what it does not."""

import ctypes
import os
import platform
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from snoop_capture import btf, cgroups, offsets, privileges
from snoop_capture.errors import CaptureError
from snoop_capture.pod import own_pod
from snoop_capture.program import Program
from snoop_capture.recorder import layout_here
from snoop_capture.ring import Ring
from snoop_capture.syscalls import COMPAT, syscall_table

OK: Final = "ok"
LESS: Final = "less"
NO: Final = "NO"

_OLDEST_KERNEL: Final = (5, 10)
_RINGBUF: Final = 27  # enum bpf_map_type, include/uapi/linux/bpf.h
_SMALL_RING: Final = 1 << 20
_LITTLE_SPACE: Final = 1 << 30
_PATIENCE: Final = 5.0  # seconds to wait for an event


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found about one thing: ``state`` is OK, LESS (recording lacks something) or NO."""

    thing: str
    state: str
    text: str

    def __str__(self) -> str:
        return f"{self.state:<5}{self.thing:<14}{self.text}"


class _LessError(Exception):
    """Recording works, with something missing."""


def findings(capture: Path, pod: bool) -> Iterator[Finding]:
    """Look at one thing after the other.

    Args:
        capture: where a capture would be written.
        pod: whether the pod of this process would be recorded.
    """
    looks: dict[str, Callable[[], str]] = {
        "kernel": _kernel,
        "BTF": _btf,
        "cgroup v2": _cgroups,
        "capabilities": _capabilities,
        "ring buffer": lambda: _with_capabilities(_ring_buffer),
        "system calls": _syscalls,
        "io_uring": _uring,
        "BCC": _bcc,
        "disk": lambda: _disk(capture),
    }
    if pod:
        looks["pod"] = _pod
    looks["recording"] = lambda: _with_capabilities(_recording)
    for thing, look in looks.items():
        try:
            yield Finding(thing, OK, look())
        except _LessError as less:
            yield Finding(thing, LESS, str(less))
        except CaptureError as error:
            yield Finding(thing, NO, str(error))


def require() -> None:
    """Look at what can be seen at once, before anything is compiled.

    Raises:
        CaptureError: recording is not possible.
    """
    privileges.require()
    cgroups.trees()
    btf.require()


def _kernel() -> str:
    release = platform.release()
    version = tuple(map(int, re.findall(r"\d+", release)[:2]))
    if version < _OLDEST_KERNEL:
        needed = ".".join(map(str, _OLDEST_KERNEL))
        raise CaptureError(f"Linux {release} is too old: {needed} or newer is needed")
    return f"Linux {release}, {platform.machine()}"


def _btf() -> str:
    btf.require()
    return f"{btf.VMLINUX}, {btf.VMLINUX.stat().st_size:,} bytes"


def _cgroups() -> str:
    return ", ".join(map(str, cgroups.trees()))


def _capabilities() -> str:
    privileges.require()
    own = privileges.loader() == sys.executable
    return f"uid {os.geteuid()}, CAP_BPF and CAP_PERFMON" + ("" if own else " for the loader")


def _with_capabilities(look: Callable[[], str]) -> str:
    try:
        privileges.require()
    except CaptureError:
        raise CaptureError(
            "not tried, for it takes the capabilities above: run the check as it is to be recorded "
            "(sudo snoop-capture check)"
        ) from None
    return look()


def _ring_buffer() -> str:
    if privileges.loader() != sys.executable:
        return "not looked at alone, for it takes capabilities"
    libbpf = ctypes.CDLL("libbpf.so.1", use_errno=True)
    ring = libbpf.bpf_map_create(_RINGBUF, b"check", 0, 0, os.sysconf("SC_PAGESIZE"), None)
    if ring < 0:
        reason = os.strerror(ctypes.get_errno())
        raise CaptureError(f"BPF_MAP_TYPE_RINGBUF cannot be made: {reason}")
    os.close(ring)
    return "BPF_MAP_TYPE_RINGBUF can be made"


def _syscalls() -> str:
    try:
        table = syscall_table(platform.machine())
    except KeyError:
        raise CaptureError(
            f"there is no table for {platform.machine()}: x86_64 and aarch64 only"
        ) from None
    native = sum(index < COMPAT for index in table)
    return f"{native} that take a path, and {len(table) - native} of 32-bit programs"


def _uring() -> str:
    kernel = btf.KernelTypes()
    if not offsets.knows_uring(kernel) or not kernel.has_tracepoint("io_uring_complete"):
        raise _LessError(
            "calls through io_uring are not recorded: Linux 6.0 or newer is needed for them"
        )
    return "calls through it are recorded"


def _bcc() -> str:
    try:
        import bcc
    except ImportError:
        raise CaptureError(
            "the Python module bcc is missing: install the distribution's package "
            "(Debian and Ubuntu: python3-bpfcc)"
        ) from None
    return f"{bcc.__version__}"


def _disk(capture: Path) -> str:
    place = next(path for path in (capture, *capture.absolute().parents) if path.exists())
    try:
        with tempfile.TemporaryFile(dir=place):
            free = shutil.disk_usage(place).free
    except OSError as error:
        raise CaptureError(f"cannot write to {place}: {error.strerror}") from error
    text = f"{free / (1 << 30):,.1f} GiB free in {place}"
    if free < _LITTLE_SPACE:
        raise _LessError(f"{text}: make room, or have little kept (--max-size)")
    return text


def _pod() -> str:
    pod = own_pod(os.environ.get("POD_UID"))
    return f"{pod.uid}: {pod.directory}"


def _recording() -> str:
    """Load, attach, and see an own call come out of the ring."""
    began = time.monotonic()
    found = next(
        filter(None, (cgroups.holding(tree, os.getpid()) for tree in cgroups.trees())), None
    )
    with Program(layout_here(_SMALL_RING)) as program:
        took = time.monotonic() - began
        if found is None:
            raise _LessError(f"attached in {took:.1f} s; the own cgroup is not in the mounted tree")
        program.choose(found)
        program.begin()
        _await_event(Ring(program))
        if program.warnings:
            raise _LessError("; ".join(program.warnings))
    return f"attached in {took:.1f} s, and saw an event"


def _await_event(ring: Ring) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not ring.drain(time.monotonic_ns()):
        if time.monotonic() > deadline:
            raise CaptureError("the BPF program is attached, but no event arrives")
        os.access("/", os.F_OK)
    ring.close()
