# SPDX-License-Identifier: Apache-2.0
"""The process that compiles, loads and attaches the BPF program, hands it over and ends.

BCC brings LLVM, some 100 MB of it; the recorder that runs for months must not carry that. So
``program.py`` starts this module as a child, sends a request, and gets file descriptors back
(unix(7), SCM_RIGHTS), which keep the maps and the attachments alive.
"""

import ctypes
import json
import os
import platform
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from snoop_capture import offsets, syscalls
from snoop_capture.btf import KernelTypes
from snoop_capture.errors import CaptureError
from snoop_capture.syscalls import Syscall, syscall_table
from snoop_capture.targets import MAX_ROOTS

MAPS: Final = (
    "control", "config", "blocks", "turns", "all_turns", "losses", "bell", "steps", "seen"
)  # fmt: skip
_HOOKS: Final = {
    "on_sys_exit": ("sys_exit",),
    "on_exec": ("sched_process_exec",),
}
_OPTIONAL_HOOKS: Final = {
    "on_prepare_exec": ("sched_prepare_exec",),  # since 6.10
    "on_uring_create": ("io_uring_create",),  # not where the kernel was built without io_uring
}
_URING_HOOKS: Final = {
    "on_uring_submit": ("io_uring_submit_req", "io_uring_submit_sqe"),  # since 6.3, and before
    "on_uring_failed": ("io_uring_req_failed",),
    "on_uring_complete": ("io_uring_complete",),
}
_STEPS: Final = {"next_row": 0, "walk": 1}


def main() -> None:
    """Serve one request, read from standard input, over the socket whose number is in argv."""
    channel = socket.socket(fileno=int(sys.argv[1]))
    os.chdir("/")  # the compiler needs a working directory that is there
    try:
        descriptors = _load(json.load(sys.stdin))
        reply: dict[str, Any] = {"names": list(descriptors)}
    except CaptureError as error:
        descriptors, reply = {}, {"error": str(error)}
    socket.send_fds(channel, [json.dumps(reply).encode()], list(descriptors.values()))


def _load(request: dict[str, Any]) -> dict[str, int]:
    os.environ["BCC_KERNEL_SOURCE"] = str(_bpf_directory() / "include")
    try:
        import bcc
    except ImportError:
        raise CaptureError(
            "the Python module bcc is missing: install the distribution's package "
            "(Debian and Ubuntu: python3-bpfcc; the bcc on PyPI is another project) and make the "
            "virtual environment with --system-site-packages"
        ) from None
    kernel = KernelTypes()
    registers = offsets.registers(kernel)
    program = _compile(bcc, request["macros"] | _macros(kernel, registers))
    for name, number in _STEPS.items():
        steps = program["steps"]
        steps[steps.Key(number)] = steps.Leaf(_function(program, bcc, name).fd)
    table = program["table"]
    for index, spec in offsets.specs(kernel, registers, _table()).items():
        table[table.Key(index)] = table.Leaf.from_buffer_copy(spec)
    descriptors = {name: program[name].map_fd for name in MAPS}
    for name, points in _hooks(kernel):
        function = _function(program, bcc, name)
        descriptors[f"program:{name}"] = function.fd
        descriptors[f"link:{name}"] = _attach(bcc, function, points)
    descriptors["program:on_sys_enter"] = _function(program, bcc, "on_sys_enter").fd
    return descriptors


def _table() -> dict[int, Syscall]:
    try:
        return syscall_table(platform.machine())
    except KeyError:
        raise CaptureError(
            f"snoop has no table of system calls for {platform.machine()}: x86_64 and aarch64 only"
        ) from None


def _macros(kernel: KernelTypes, registers: offsets.Registers) -> dict[str, int]:
    numbers = {call.name: index for index, call in _table().items() if index < syscalls.COMPAT}
    return {
        **syscalls.macros(),
        **offsets.macros(kernel, registers),
        **{f"STEP_{name.upper()}": number for name, number in _STEPS.items()},
        "NR_EXECVE": numbers["execve"],
        "NR_EXECVEAT": numbers["execveat"],
        "MAX_ROOTS": MAX_ROOTS,
    }


def _hooks(kernel: KernelTypes) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Programs, and the tracepoint for each: the first of the given that the kernel has."""
    yield from _HOOKS.items()
    for name, points in _OPTIONAL_HOOKS.items():
        if any(map(kernel.has_tracepoint, points)):
            yield name, points
    if offsets.knows_uring(kernel):
        yield from _URING_HOOKS.items()


def _bpf_directory() -> Path:
    """``bpf/`` beside the packages in a checkout, inside ``snoop_capture`` when installed."""
    here = Path(__file__).resolve().parent
    return next(d for d in (here / "bpf", here.parent / "bpf") if (d / "snoop.c").exists())


def _compile(bcc: Any, macros: dict[str, int]) -> Any:
    flags = [f"-D{name}={value}" for name, value in macros.items()]
    flags += ["-Wno-macro-redefined", "-Wno-duplicate-decl-specifier"]
    try:
        return bcc.BPF(src_file=str(_bpf_directory() / "snoop.c").encode(), cflags=flags)
    except Exception as error:  # BCC raises nothing narrower
        raise CaptureError(f"the BPF program does not compile here: {error}") from error


def _function(program: Any, bcc: Any, name: str) -> Any:
    try:
        return program.load_func(name.encode(), bcc.BPF.RAW_TRACEPOINT)
    except Exception as error:
        raise CaptureError(f"the kernel refuses the BPF program {name}: {error}") from error


def _attach(bcc: Any, function: Any, points: tuple[str, ...]) -> int:
    for point in points:
        descriptor = int(bcc.lib.bpf_attach_raw_tracepoint(function.fd, point.encode()))
        if descriptor >= 0:
            return descriptor
    reason = os.strerror(ctypes.get_errno())
    raise CaptureError(f"cannot attach to the raw tracepoint {' or '.join(points)}: {reason}")


if __name__ == "__main__":
    main()
