# SPDX-License-Identifier: Apache-2.0
"""The BPF program as it is on arm64: compiled, verified, and given its table, on this machine.

It is this kernel's in all but what the architecture decides: the registers, the flags of a thread,
and the table of calls. So nothing of it can run here.
"""

import os
import platform
from typing import Any

import pytest

from snoop_capture import loader, offsets
from snoop_capture.btf import KernelTypes
from snoop_capture.recorder import layout_here
from snoop_capture.source import bpf_directory
from snoop_capture.syscalls import ACT_OPENS, syscall_table

pytestmark = [pytest.mark.bpf, pytest.mark.filterwarnings("ignore")]  # BCC's

# struct pt_regs and thread_info of the kernel's arch/arm64/include/asm/{ptrace,thread_info}.h.
ARM64 = {
    "pt_regs.regs": 0,
    "pt_regs.orig_x0": 272,
    "pt_regs.syscallno": 280,
    "thread_info.flags": 0,
    "thread_info.status": None,
    "thread_info.syscall_work": None,
}
PROGRAMS = [
    "next_row", "walk", "on_sys_exit", "on_exec", "on_prepare_exec", "on_sys_enter",
    "on_uring_create",
]  # fmt: skip


class Arm64Types(KernelTypes):
    def offset(self, field: str) -> int | None:
        return ARM64[field] if field in ARM64 else super().offset(field)


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch) -> KernelTypes:
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    return Arm64Types()


def test_the_program_is_accepted(kernel: KernelTypes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BCC_KERNEL_SOURCE", os.fspath(bpf_directory() / "include"))
    bcc: Any = pytest.importorskip("bcc")
    form = offsets.Form.UNTYPED
    macros = layout_here(1 << 20).macros() | loader._macros(
        kernel, offsets.registers(kernel), events=False, form=form
    )
    program = loader._compile(bcc, macros, form)
    for name in PROGRAMS:
        if name != "on_prepare_exec" or kernel.has_tracepoint("sched_prepare_exec"):
            assert loader._function(program, name, bcc.BPF.RAW_TRACEPOINT).fd > 0
    program.cleanup()


def test_arguments_are_where_the_architecture_passes_them(kernel: KernelTypes) -> None:
    registers = offsets.registers(kernel)
    specs = offsets.specs(kernel, registers, syscall_table("aarch64"))
    wanted, path, _, dirfd, _, flags, act, *_ = specs[56]  # openat(dirfd, path, flags, mode)
    assert (wanted, act) == (1, ACT_OPENS)
    at = [registers.first + 8 * (place - 1) for place in (dirfd, path, flags)]
    assert at == [272, 8, 16]  # orig_x0, x1, x2: x0 has the result by then
