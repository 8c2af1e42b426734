# SPDX-License-Identifier: Apache-2.0
"""The process that compiles, loads and attaches the BPF program, hands it over and ends.

BCC brings LLVM, some 100 MB of it; the recorder that runs for months must not carry that. So
``program.py`` starts this module as a child, sends a request, and gets file descriptors back
(unix(7), SCM_RIGHTS), which keep the maps and the attachments alive.
"""

import json
import os
import platform
import socket
import sys
from pathlib import Path
from typing import Any, Final

from snoop_capture.btf import KernelTypes
from snoop_capture.errors import CaptureError

MAPS: Final = ("control", "config", "blocks", "losses", "bell", "steps", "seen")
_HOOKS: Final = {"sys_exit": "on_sys_exit", "sched_process_exec": "on_exec"}
_STEPS: Final = {"STEP_ROW": ("next_row", 0), "STEP_WALK": ("walk", 1)}
_MAX_ROOTS: Final = 64

_FIELDS: Final = (
    "task_struct.fs",
    "task_struct.files",
    "task_struct.mm",
    "task_struct.real_parent",
    "task_struct.tgid",
    "task_struct.self_exec_id",
    "task_struct.stack",
    "fs_struct.root",
    "fs_struct.pwd",
    "path.mnt",
    "path.dentry",
    "mount.mnt",
    "mount.mnt_parent",
    "mount.mnt_mountpoint",
    "vfsmount.mnt_root",
    "dentry.d_parent",
    "dentry.d_hash.pprev",
    "dentry.d_name.name",
    "dentry.d_name.hash_len",
    "inode.i_ino",
    "inode.i_sb",
    "super_block.s_dev",
    "files_struct.fdt",
    "fdtable.max_fds",
    "fdtable.fd",
    "file.f_path",
    "file.f_inode",
    "mm_struct.exe_file",
    "linux_binprm.filename",
    "linux_binprm.interp",
    "linux_binprm.fdpath",
    "linux_binprm.file",
)
_ARGUMENTS: Final = ("di", "si", "dx", "r10", "r8", "r9")
_COMPAT_ARGUMENTS: Final = ("bx", "cx", "dx", "si", "di", "bp")
_REGISTERS: Final = {
    "x86_64": {
        "AT_NR": "pt_regs.orig_ax",
        **{f"AT_ARG{n}": f"pt_regs.{r}" for n, r in enumerate(_ARGUMENTS, 1)},
        **{f"AT_COMPAT_ARG{n}": f"pt_regs.{r}" for n, r in enumerate(_COMPAT_ARGUMENTS, 1)},
        "AT_task_struct__thread_info__status": "task_struct.thread_info.status",
    },
    "aarch64": {"AT_NR": "pt_regs.syscallno", "AT_ARG1": "pt_regs.orig_x0"},
}


def main() -> None:
    """Serve one request, read from standard input, over the socket whose number is in argv."""
    channel = socket.socket(fileno=int(sys.argv[1]))
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
    macros = request["macros"] | _kernel_macros()
    program = _compile(bcc, macros)
    steps = {name: _function(program, bcc, function) for name, (function, _) in _STEPS.items()}
    hooks = {point: _function(program, bcc, function) for point, function in _HOOKS.items()}
    for name, (_, number) in _STEPS.items():
        program["steps"][program["steps"].Key(number)] = program["steps"].Leaf(steps[name].fd)
    _fill(program["table"], [bytes.fromhex(spec) for spec in request["table"]])
    descriptors = {name: program[name].map_fd for name in MAPS}
    for point, function in hooks.items():
        descriptors[f"program:{point}"] = function.fd
        descriptors[f"link:{point}"] = _attach(bcc, function, point)
        Path("/").exists()  # a call of its own: shows the program where pt_regs lie
    return descriptors


def _bpf_directory() -> Path:
    """``bpf/`` beside the packages in a checkout, inside ``snoop_capture`` when installed."""
    here = Path(__file__).resolve().parent
    return next(d for d in (here / "bpf", here.parent / "bpf") if (d / "snoop.c").exists())


def _kernel_macros() -> dict[str, int]:
    kernel = KernelTypes()
    fields = kernel.offsets(_FIELDS)
    registers = _REGISTERS[platform.machine()]
    offsets = kernel.offsets(registers.values())
    macros = {"AT_" + name.replace(".", "__"): offset for name, offset in fields.items()}
    macros |= {macro: offsets[name] for macro, name in registers.items()}
    if platform.machine() == "aarch64":
        start = kernel.offsets(["pt_regs.regs"])["pt_regs.regs"]
        macros |= {f"AT_ARG{n}": start + 8 * (n - 1) for n in range(2, 7)}
    macros |= {name: number for name, (_, number) in _STEPS.items()}
    return macros | {"MAX_ROOTS": _MAX_ROOTS}


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


def _attach(bcc: Any, function: Any, point: str) -> int:
    descriptor = int(bcc.lib.bpf_attach_raw_tracepoint(function.fd, point.encode()))
    if descriptor < 0:
        raise CaptureError(
            f"cannot attach to the raw tracepoint {point}: {os.strerror(-descriptor)}"
        )
    return descriptor


def _fill(table: Any, elements: list[bytes]) -> None:
    for index, element in enumerate(elements):
        if any(element):
            table[table.Key(index)] = table.Leaf.from_buffer_copy(element)


if __name__ == "__main__":
    main()
