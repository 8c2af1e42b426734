# SPDX-License-Identifier: Apache-2.0
"""The process that compiles, loads and attaches the BPF program, hands it over and ends.

BCC brings LLVM, some 100 MB of it; the recorder that runs for months must not carry that. So
``program.py`` starts this module as a child, sends a request, and gets file descriptors back
(unix(7), SCM_RIGHTS), which keep the maps and the attachments alive.
"""

import contextlib
import json
import os
import platform
import socket
import sys
from collections.abc import Callable, Iterator
from typing import Any, Final

from snoop_capture import kernel_calls, offsets, syscalls, tracepoints
from snoop_capture.btf import KernelTypes
from snoop_capture.errors import CaptureError
from snoop_capture.offsets import Form
from snoop_capture.source import bpf_directory, program_text
from snoop_capture.syscalls import Syscall, syscall_table
from snoop_capture.targets import MAX_ROOTS
from snoop_capture.tracepoints import SYS_ENTER

MAPS: Final = (
    "control", "config", "roots", "root_ids", "blocks", "turns", "all_turns", "losses", "bell",
    "steps", "seen", "processes", "in_flight",
)  # fmt: skip
_HOOKS: Final = {
    "on_sys_exit": ("raw_syscalls:sys_exit",),
    "on_exec": ("sched:sched_process_exec",),
}
_OPTIONAL_HOOKS: Final = {
    "on_prepare_exec": ("sched:sched_prepare_exec",),  # since 6.10
    "on_fork": ("sched:sched_process_fork",),
    "on_move": ("cgroup:cgroup_attach_task",),
    "on_exit": ("sched:sched_process_exit",),
    "on_uring_create": ("io_uring:io_uring_create",),  # not where it was built without io_uring
}
_URING_HOOKS: Final = {
    "on_uring_submit": (
        "io_uring:io_uring_submit_req",  # since 6.3
        "io_uring:io_uring_submit_sqe",
    ),
    "on_uring_failed": ("io_uring:io_uring_req_failed",),
    "on_uring_complete": ("io_uring:io_uring_complete",),
}
# Where events are used: what the others miss for lack of an argument; before them.
_ARGUMENT_HOOKS: Final = {"on_uring_failing": ("io_uring:io_uring_req_failed",)}
# These write no rows, and can always have the arguments.
_RAW: Final = {
    "on_prepare_exec", "on_fork", "on_move", "on_exit", "on_uring_create", *_ARGUMENT_HOOKS,
}  # fmt: skip
_STEPS: Final = {"next_row": 0, "walk": 1}


def main() -> None:
    """Serve one request, a line on standard input, over the socket whose number is in argv."""
    channel = socket.socket(fileno=int(sys.argv[1]))
    os.chdir("/")  # the compiler needs a working directory that is there
    try:
        bcc = _bcc()
        kernel = KernelTypes()
        preempted = tracepoints.are_preemptible()
        obstacle = tracepoints.obstacle() if preempted else None
        line = sys.stdin.readline()
        if not line:
            return  # nobody wants it any more
        request = json.loads(line)
        events = request["events"]
        if events is None:
            events = preempted and obstacle is None
        form, descriptors, refusal = _load_somehow(bcc, kernel, request["macros"], events)
        reply: dict[str, Any] = {
            "names": list(descriptors),
            "events": events,
            "obstacle": obstacle,
            "form": form.name,
            "refusal": refusal,
        }
    except CaptureError as error:
        descriptors, reply = {}, {"error": str(error)}
    socket.send_fds(channel, [json.dumps(reply).encode()], list(descriptors.values()))


def _bcc() -> Any:
    os.environ["BCC_KERNEL_SOURCE"] = str(bpf_directory() / "include")
    try:
        import bcc
    except ImportError:
        raise CaptureError(
            "the Python module bcc is missing: install the distribution's package "
            "(Debian and Ubuntu: python3-bpfcc; the bcc on PyPI is another project) and make the "
            "virtual environment with --system-site-packages"
        ) from None
    return bcc


class _RefusedError(CaptureError):
    """The kernel refuses a program."""


def _load_somehow(
    bcc: Any, kernel: KernelTypes, macros: dict[str, int], events: bool
) -> tuple[Form, dict[str, int], str | None]:
    """Load the programs in the quickest form that the verifier takes.

    Returns:
        the form, what ``load`` returns, and why a quicker one was refused.
    """
    refusal = None
    *forms, last = offsets.forms(kernel, events)
    for form in forms:
        try:
            return form, load(bcc, kernel, macros, events, form), refusal
        except _RefusedError as error:
            refusal = refusal or str(error)
    return last, load(bcc, kernel, macros, events, last), refusal


def load(
    bcc: Any, kernel: KernelTypes, macros: dict[str, int], events: bool, form: Form
) -> dict[str, int]:
    """Compile, load and attach the programs: the descriptors of maps, programs and attachments.

    Args:
        bcc: the module.
        kernel: what it is like.
        macros: sizes and numbers of the recorder's.
        events: see ``Program``.
        form: of the programs.

    Raises:
        CaptureError: that is not possible here.
    """
    registers = offsets.registers(kernel)
    known = macros | _macros(kernel, registers, events, form)
    program = _compile(bcc, known, form)
    if form is Form.CAST:
        kernel_calls.mark(bcc, program, known["CAST_FUNCTION"])
    hooks = dict(_hooks(kernel, events))
    raw_tracepoint = bcc.BPF.RAW_TRACEPOINT
    kind = bcc.BPF.TRACEPOINT if events else raw_tracepoint
    with contextlib.ExitStack() as refused:
        refused.callback(program.cleanup)
        functions = {
            name: _function(program, name, raw_tracepoint if name in _RAW else kind)
            for name in [*_STEPS, *hooks, "on_sys_enter"]
        }
        refused.pop_all()
    steps = program["steps"]
    for name, number in _STEPS.items():
        steps[steps.Key(number)] = steps.Leaf(functions[name].fd)
    table = program["table"]
    for index, spec in offsets.specs(kernel, registers, _table()).items():
        table[table.Key(index)] = table.Leaf.from_buffer_copy(spec)
    descriptors = {name: program[name].map_fd for name in MAPS}
    for name, points in hooks.items():
        program_fd = functions[name].fd
        descriptors[f"program:{name}"] = program_fd
        descriptors[f"link:{name}"] = _attach(program_fd, points, not events or name in _RAW)
    descriptors["program:on_sys_enter"] = functions["on_sys_enter"].fd
    if events:  # to open one takes privileges that are given up before it is needed
        descriptors["event:on_sys_enter"] = _first(tracepoints.open_event, (SYS_ENTER,))
    return descriptors


def _table() -> dict[int, Syscall]:
    try:
        return syscall_table(platform.machine())
    except KeyError:
        raise CaptureError(
            f"snoop has no table of system calls for {platform.machine()}: x86_64 and aarch64 only"
        ) from None


def _macros(
    kernel: KernelTypes, registers: offsets.Registers, events: bool, form: Form
) -> dict[str, int]:
    numbers = {call.name: index for index, call in _table().items() if index < syscalls.COMPAT}
    return {
        **syscalls.macros(),
        **offsets.macros(kernel, registers, events, form),
        **{f"STEP_{name.upper()}": number for name, number in _STEPS.items()},
        "NR_EXECVE": numbers["execve"],
        "NR_EXECVEAT": numbers["execveat"],
        "MAX_ROOTS": MAX_ROOTS,
    }


def _hooks(kernel: KernelTypes, events: bool) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Programs, and the tracepoint for each: the first of the given that the kernel has."""
    for name, points in _OPTIONAL_HOOKS.items():
        if any(kernel.has_tracepoint(point.partition(":")[2]) for point in points):
            yield name, points
    yield from _HOOKS.items()
    if offsets.knows_uring(kernel):
        yield from _ARGUMENT_HOOKS.items() if events else ()
        yield from _URING_HOOKS.items()


def _compile(bcc: Any, macros: dict[str, int], form: Form) -> Any:
    flags = [f"-D{name}={value}" for name, value in macros.items()]
    flags += ["-Wno-macro-redefined", "-Wno-duplicate-decl-specifier"]
    flags += ["-fno-unroll-loops", "-g0"]  # compiles, and is verified, in half of the time
    if form is Form.CAST:
        # BCC has it optimized by itself: what clang does before takes as long, and makes slower
        # code; but without it verifiers of older kernels lose track of a bound.
        flags += ["-Xclang", "-disable-llvm-passes"]
    try:
        return bcc.BPF(text=program_text().encode(), cflags=flags)
    except Exception as error:  # BCC raises nothing narrower
        raise CaptureError(f"the BPF program does not compile here: {error}") from error


def _function(program: Any, name: str, kind: int) -> Any:
    try:
        return program.load_func(name.encode(), kind)
    except Exception as error:
        raise _RefusedError(f"the kernel refuses the BPF program {name}: {error}") from error


def _attach(program: int, points: tuple[str, ...], raw: bool) -> int:
    if raw:
        return _first(lambda point: tracepoints.attach_raw(point, program), points)
    event = _first(tracepoints.open_event, points)
    try:
        tracepoints.attach(event, program)
    except OSError as error:
        raise CaptureError(f"cannot attach to the event {points[0]}: {error.strerror}") from error
    return event


def _first(get: Callable[[str], int], points: tuple[str, ...]) -> int:
    """What can be had of the first of some tracepoints that this kernel has."""
    for point in points:
        try:
            return get(point)
        except OSError as error:
            reason = error.strerror
    raise CaptureError(f"cannot attach to the tracepoint {' or '.join(points)}: {reason}")


if __name__ == "__main__":
    main()
