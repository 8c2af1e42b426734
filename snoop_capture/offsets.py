# SPDX-License-Identifier: Apache-2.0
"""What the BPF program must know of the running kernel: offsets as macros, places of arguments."""

import platform
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from snoop_capture import opcodes
from snoop_capture.btf import KernelTypes
from snoop_capture.opcodes import OPCODES, Opcode
from snoop_capture.syscalls import COMPAT, Syscall, syscall_table

_FIELDS: Final = (
    "task_struct.fs",
    "task_struct.files",
    "task_struct.mm",
    "task_struct.real_parent",
    "task_struct.tgid",
    "task_struct.pid",
    "task_struct.comm",
    "task_struct.cred",
    "cred.uid",
    "task_struct.start_time",
    "task_struct.nsproxy",
    "nsproxy.mnt_ns",
    "mnt_namespace.root",
    "fs_struct.root",
    "fs_struct.pwd",
    "path.mnt",
    "path.dentry",
    "mount.mnt",
    "mount.mnt_parent",
    "mount.mnt_mountpoint",
    "vfsmount.mnt_root",
    "dentry.d_seq",
    "dentry.d_parent",
    "dentry.d_hash.pprev",
    "dentry.d_inode",
    "dentry.d_sb",
    "dentry.d_name.name",
    "dentry.d_name.hash_len",
    "inode.i_ino",
    "super_block.s_dev",
    "files_struct.fdt",
    "fdtable.max_fds",
    "fdtable.fd",
    "file.f_path",
    "mm_struct.exe_file",
    "mm_struct.end_code",
    "linux_binprm.filename",
    "linux_binprm.interp",
    "linux_binprm.fdpath",
    "linux_binprm.file",
    "task_struct.cgroups",
    "css_set.dfl_cgrp",
    "task_struct.group_leader",
    "task_struct.signal",
    "signal_struct.live",
    "cgroup.root",
    "cgroup.kn",
    "cgroup.self",
    "cgroup.self.parent",
    "kernfs_node.id",
)
_URING_FIELDS: Final = (
    "io_kiocb.opcode",
    "io_kiocb.cmd",
    "io_kiocb.cqe.res",
    "io_open.file_slot",
    "io_open.how.resolve",
    "filename.name",
)
# The fields of events, struct trace_event_raw_NAME, that stand for arguments of their tracepoints.
_EVENT_FIELDS: Final = (
    "trace_event_raw_sys_exit.ret",
    "trace_event_raw_sys_enter.id",
    "trace_event_raw_sched_process_exec.old_pid",
)
_URING_EVENT_FIELDS: Final = (
    "trace_event_raw_io_uring_submit_req.req",
    "trace_event_raw_io_uring_req_failed.req",
    "trace_event_raw_io_uring_req_failed.addr",
    "trace_event_raw_io_uring_req_failed.error",
    "trace_event_raw_io_uring_complete.req",
    "io_uring_sqe.addr",
)
# What tells a mount from all others that there were, where the kernel has it (6.8).
_UNIQUE_MOUNT: Final = "mount.mnt_id_unique"

# The calls that a seccomp filter lets by whatever their arguments; those of 32 bits where they are.
_LET_BY: Final = ("task_struct.seccomp.filter", "seccomp_filter.cache.allow_native")
_LET_BY_COMPAT: Final = "seccomp_filter.cache.allow_compat"
_CALL_FUNCTION: Final = {"x86_64": "__x64_sys_", "aarch64": "__arm64_sys_"}

# Helpers whose results have types.
_TYPED: Final = ("get_current_task_btf", "task_pt_regs")
_CAST: Final = "bpf_rdonly_cast"
_SHORT_NAME: Final = ("dentry.d_shortname", "dentry.d_iname")  # since 6.14, and before
_SHORT_NAME_BYTES: Final = 32  # the least that any kernel has on 64-bit machines

# Flags at the head of thread_info: the field and the bit that a 32-bit call, a task with a
# seccomp filter and one whose calls go to its tracer have. TS_COMPAT, SYSCALL_WORK_SECCOMP,
# SYSCALL_WORK_SYSCALL_EMU, TIF_SECCOMP and TIF_SYSCALL_EMU (x86 before 5.11; arm64), TIF_32BIT of
# the kernel's arch/*/include/asm/thread_info.h.
_COMPAT_FLAG: Final = {"x86_64": (("status", 1),), "aarch64": (("flags", 22),)}
_SECCOMP_FLAG: Final = {
    "x86_64": (("syscall_work", 0), ("flags", 8)),
    "aarch64": (("syscall_work", 0), ("flags", 11)),
}
_EMULATED_FLAG: Final = {
    "x86_64": (("syscall_work", 3), ("flags", 6)),
    "aarch64": (("syscall_work", 3), ("flags", 12)),
}

# Numbers of the x32 ABI: the bit that they have, and the two that are others without it, too.
_X32: Final = {"X32_BIT": 0x40000000, "X32_EXECVE": 520, "X32_EXECVEAT": 545}

# The registers that carry the number and the arguments of a call, and those of a 32-bit call.
_REGISTERS: Final = {
    "x86_64": (
        "orig_ax",
        ("di", "si", "dx", "r10", "r8", "r9"),
        ("bx", "cx", "dx", "si", "di", "bp"),
    ),
    "aarch64": ("syscallno", ("orig_x0", *(f"regs+{8 * n}" for n in range(1, 6))), ()),
}


@dataclass(frozen=True, slots=True)
class Registers:
    """Where a call's number and arguments lie in ``struct pt_regs``, in bytes."""

    number: int
    native: list[int]
    compat: list[int]

    @property
    def first(self) -> int:
        """Where the words that are read begin."""
        return min(self.native + self.compat)

    @property
    def words(self) -> int:
        """How many are read, of 8 bytes each."""
        return (max(self.native + self.compat) - self.first) // 8 + 1

    def place(self, index: int, argument: int) -> int:
        """The word, counted from 1, of an argument, counted from 1; 0 for 0."""
        registers = self.native if index < COMPAT else self.compat
        return (registers[argument - 1] - self.first) // 8 + 1 if argument else 0


def registers(kernel: KernelTypes) -> Registers:
    """The registers of this machine's calls."""

    def offset(name: str) -> int:
        name, _, more = name.partition("+")
        field = f"pt_regs.{name}"
        return kernel.offsets([field])[field] + int(more or 0)

    number, native, compat = _REGISTERS[platform.machine()]
    return Registers(offset(number), [*map(offset, native)], [*map(offset, compat)])


def _flag(kernel: KernelTypes, name: str, choices: tuple[tuple[str, int], ...]) -> dict[str, int]:
    """The 32-bit word of thread_info and the bit in it, for the first field that there is."""
    fields = ((kernel.offset(f"thread_info.{field}"), bit) for field, bit in choices)
    offset, bit = next((o, bit) for o, bit in fields if o is not None)
    return {f"{name}_WORD": offset // 4, f"{name}_BIT": 1 << bit}


def knows_uring(kernel: KernelTypes) -> bool:
    """Are io_uring's requests laid out as ``opcodes`` has them? They are since Linux 6.0."""
    return _has_all(kernel, _URING_FIELDS)


class Form(Enum):
    """How the programs load what is in the kernel's memory; see bpf/memory.h."""

    CAST = auto()
    """Without a helper, from anywhere: since Linux 6.2."""
    TYPED = auto()
    """Without one where the verifier knows the type: since 5.15."""
    UNTYPED = auto()
    """By helpers."""


def forms(kernel: KernelTypes, events: bool) -> list[Form]:
    """The forms of the programs for this kernel, the quickest first.

    On arm64 types are not relied on before that has run there, but on events, which need them.
    """
    typed = platform.machine() == "x86_64" and all(map(kernel.has_helper, _TYPED))
    cast = [Form.CAST] if typed and kernel.function(_CAST) else []
    if events:
        return [*cast, Form.TYPED]
    return [*cast, Form.TYPED, Form.UNTYPED] if typed else [Form.UNTYPED]


def _form(kernel: KernelTypes, form: Form) -> dict[str, int]:
    """The macros of a form; for a cast the function, and a type that begins with a word."""
    typed = {} if form is Form.UNTYPED else {"KNOWN_TYPES": 1}
    if form is not Form.CAST:
        return typed
    ids = {"CAST_FUNCTION": kernel.function(_CAST), "WORDS_TYPE": kernel.structure("pt_regs")}
    return typed | {name: number for name, number in ids.items() if number is not None}


def _let_by(kernel: KernelTypes) -> dict[str, int]:
    """Where the filters' bitmaps are, and the numbers that have a bit; nothing before Linux 5.11.

    The bits behind the kernel's last number mean nothing. All numbers up to that of a call which
    the kernel has are its own, and since 424 those of 32 bits are the same.
    """
    machine = platform.machine()
    prefix = _CALL_FUNCTION[machine]
    table = syscall_table(machine)
    newest_first = sorted((nr for nr in table if nr < COMPAT), reverse=True)
    present = (nr for nr in newest_first if kernel.function(prefix + table[nr].name) is not None)
    last = next(present, None)
    if last is None or not _has_all(kernel, _LET_BY):
        return {}
    fields = kernel.offsets(_LET_BY)
    compat = kernel.offset(_LET_BY_COMPAT)
    if compat is not None:
        fields[_LET_BY_COMPAT] = compat
    return {**_at(fields), "CALLS_END": last + 1}


def _at(fields: Mapping[str, int]) -> dict[str, int]:
    return {"AT_" + name.replace(".", "__"): offset for name, offset in fields.items()}


def _has_all(kernel: KernelTypes, fields: Iterable[str]) -> bool:
    return all(kernel.offset(field) is not None for field in fields)


def macros(kernel: KernelTypes, layout: Registers, events: bool, form: Form) -> dict[str, int]:
    """The macros ``AT_struct__field`` and what else depends on the kernel.

    With ``events`` the programs get these instead of the arguments of tracepoints.
    """
    fields = kernel.offsets(_FIELDS)
    if knows_uring(kernel):
        fields |= kernel.offsets(_URING_FIELDS)
    if events:
        fields |= kernel.offsets(_EVENT_FIELDS)
    if events and knows_uring(kernel):
        fields |= kernel.offsets(_URING_EVENT_FIELDS)
    if kernel.offset(_UNIQUE_MOUNT) is not None:
        fields |= kernel.offsets([_UNIQUE_MOUNT])
    short_name = next(o for o in map(kernel.offset, _SHORT_NAME) if o is not None)
    return {
        **_at(fields),
        **_let_by(kernel),
        **_flag(kernel, "COMPAT", _COMPAT_FLAG[platform.machine()]),
        **_flag(kernel, "SECCOMP", _SECCOMP_FLAG[platform.machine()]),
        **_flag(kernel, "EMULATED", _EMULATED_FLAG[platform.machine()]),
        **(_X32 if platform.machine() == "x86_64" else {}),
        **_form(kernel, form),
        **({"ON_EVENTS": 1} if events else {}),
        "AT_NR": layout.number,
        "AT_EXECVEAT_FLAGS": layout.native[4],
        "AT_EXECVEAT_FLAGS_COMPAT": (layout.compat or layout.native)[4],
        "REGS_FROM": layout.first,
        "REGS_WORDS": layout.words,
        "AT_dentry__short_name": short_name,
        "SHORT_NAME_BYTES": _SHORT_NAME_BYTES,
        "DENTRY_BYTES": max(short_name + _SHORT_NAME_BYTES, fields["dentry.d_sb"] + 8),
        "COMPAT": COMPAT,
        "URING": opcodes.FIRST,
        "URING_ENTRIES": opcodes.ROWS,
        "TABLE_ROWS": opcodes.FIRST + 2 * opcodes.ROWS,
    }


def specs(kernel: KernelTypes, layout: Registers, table: dict[int, Syscall]) -> dict[int, bytes]:
    """The elements ``struct spec`` of the BPF table by their index.

    The first byte is 1 where the native or the 32-bit table has the number: one load sends all
    other calls away.
    """
    found = {}
    for index in {i % COMPAT for i in table} | {i % COMPAT + COMPAT for i in table}:
        call = table.get(index)
        found[index] = _spec(layout, index, call) if call else bytes([1, *[0] * 8])
    if knows_uring(kernel):
        for opcode in OPCODES:
            place = opcodes.FIRST + opcode.number
            found[place] = _fields_spec(kernel, opcode, opcode.command, opcode.fields())
            found[place + opcodes.ROWS] = _fields_spec(kernel, opcode, "io_uring_sqe", opcode.entry)
    return found


def _spec(layout: Registers, index: int, call: Syscall) -> bytes:
    places = [layout.place(index, n) for n in _arguments(call)]
    output = [layout.place(index, call.output), call.output_words]
    return bytes([1, *places, call.act, *output])


def _arguments(call: Syscall) -> tuple[int, ...]:
    """Argument numbers in the order of ``struct spec``: two paths, two dirfds, flags."""
    return (*(*call.paths, 0)[:2], *(*call.dirfds, 0)[:2], call.flags)


def _fields_spec(
    kernel: KernelTypes, opcode: Opcode, structure: str, fields: Iterable[str]
) -> bytes:
    """A request's ``struct spec``: where in the structure the fields are, counted from 1."""

    def place(field: str) -> int:
        name = f"{structure}.{field}"
        return kernel.offsets([name])[name] + 1 if field else 0

    return bytes([1, *map(place, fields), opcode.act, 0, 0])
