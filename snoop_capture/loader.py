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
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from snoop_capture.btf import KernelTypes
from snoop_capture.errors import CaptureError
from snoop_capture.syscalls import COMPAT

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
    "dentry.d_inode",
    "dentry.d_name.name",
    "dentry.d_name.hash_len",
    "inode.i_ino",
    "inode.i_sb",
    "super_block.s_dev",
    "files_struct.fdt",
    "fdtable.max_fds",
    "fdtable.fd",
    "file.f_path",
    "mm_struct.exe_file",
    "linux_binprm.filename",
    "linux_binprm.interp",
    "linux_binprm.fdpath",
    "linux_binprm.file",
)
# The registers that carry the number and the arguments of a call, and those of a 32-bit call.
_REGISTERS: Final = {
    "x86_64": (
        "orig_ax",
        ("di", "si", "dx", "r10", "r8", "r9"),
        ("bx", "cx", "dx", "si", "di", "bp"),
    ),
    "aarch64": ("syscallno", ("orig_x0", *(f"regs+{8 * n}" for n in range(1, 6))), ()),
}
_COMPAT_STATUS: Final = "task_struct.thread_info.status"  # x86
_SHORT_NAME: Final = ("dentry.d_shortname", "dentry.d_iname")  # since 6.14, and before
_SHORT_NAME_BYTES: Final = 32  # the least that any kernel has on 64-bit machines


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
    kernel = KernelTypes()
    registers = _registers(kernel)
    macros = request["macros"] | _kernel_macros(kernel, registers)
    program = _compile(bcc, macros)
    steps = {name: _function(program, bcc, function) for name, (function, _) in _STEPS.items()}
    hooks = {point: _function(program, bcc, function) for point, function in _HOOKS.items()}
    for name, (_, number) in _STEPS.items():
        program["steps"][program["steps"].Key(number)] = program["steps"].Leaf(steps[name].fd)
    _fill(program["table"], [bytes.fromhex(spec) for spec in request["table"]], registers)
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


@dataclass(frozen=True, slots=True)
class _Registers:
    """Where a call's number and arguments lie in ``struct pt_regs``, in bytes."""

    number: int
    native: list[int]
    compat: list[int]

    @property
    def first(self) -> int:
        return min(self.native + self.compat)

    @property
    def words(self) -> int:
        return (max(self.native + self.compat) - self.first) // 8 + 1

    def place(self, index: int, argument: int) -> int:
        """The word, counted from 1, of an argument, counted from 1; 0 for 0."""
        registers = self.native if index < COMPAT else self.compat
        return (registers[argument - 1] - self.first) // 8 + 1 if argument else 0


def _registers(kernel: KernelTypes) -> _Registers:
    def offset(name: str) -> int:
        name, _, more = name.partition("+")
        field = f"pt_regs.{name}"
        return kernel.offsets([field])[field] + int(more or 0)

    number, native, compat = _REGISTERS[platform.machine()]
    return _Registers(offset(number), [*map(offset, native)], [*map(offset, compat)])


def _kernel_macros(kernel: KernelTypes, registers: _Registers) -> dict[str, int]:
    fields = kernel.offsets(_FIELDS)
    status = kernel.offset(_COMPAT_STATUS)
    if status is not None:
        fields[_COMPAT_STATUS] = status
    macros = {"AT_" + name.replace(".", "__"): offset for name, offset in fields.items()}
    short_name = next(o for o in map(kernel.offset, _SHORT_NAME) if o is not None)
    macros |= {
        "AT_NR": registers.number,
        "REGS_FROM": registers.first,
        "REGS_WORDS": registers.words,
        "AT_dentry__short_name": short_name,
        "SHORT_NAME_BYTES": _SHORT_NAME_BYTES,
        "DENTRY_BYTES": short_name + _SHORT_NAME_BYTES,
        "MAX_ROOTS": _MAX_ROOTS,
    }
    return macros | {name: number for name, (_, number) in _STEPS.items()}


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


def _fill(table: Any, specs: list[bytes], registers: _Registers) -> None:
    """Fill the syscall table, with the places of registers for the numbers of arguments."""
    for index, (wanted, *arguments, act, spare) in enumerate(specs):
        if wanted:
            places = [registers.place(index, argument) for argument in arguments]
            element = bytes([wanted, *places, act, spare])
            table[table.Key(index)] = table.Leaf.from_buffer_copy(element)


if __name__ == "__main__":
    main()
