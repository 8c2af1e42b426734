# SPDX-License-Identifier: Apache-2.0
"""Calls of the kernel's own functions (kfuncs) in programs that BCC has compiled.

BCC makes nothing but calls of helpers. So the programs call helpers that have the numbers of these
functions, which are far above those of any helper, and here the instructions are told what they
are: Documentation/bpf/standardization/instruction-set.rst, "Call instructions".
"""

import ctypes
import struct
from typing import Any, Final

_INSTRUCTION: Final = struct.Struct("=BBhi")  # opcode, registers, offset, immediate
_CALL: Final = 0x85  # BPF_JMP | BPF_CALL
_OF_HELPER: Final = 0  # the upper half of the registers
_OF_KERNEL: Final = 2 << 4  # BPF_PSEUDO_KFUNC_CALL


def mark(bcc: Any, program: Any, function: int) -> None:
    """Make calls of helper number ``function`` calls of that function, before programs are loaded.

    Args:
        bcc: the module.
        program: the compiled source.
        function: the id of its type.
    """
    library, module = bcc.lib, program.module
    for index in range(library.bpf_num_functions(module)):
        name = library.bpf_function_name(module, index)
        size = library.bpf_function_size(module, name)
        start = library.bpf_function_start(module, name)
        code = (ctypes.c_ubyte * size).from_address(start)
        for at in range(0, size, _INSTRUCTION.size):
            opcode, registers, _, number = _INSTRUCTION.unpack_from(code, at)
            if (opcode, registers, number) == (_CALL, _OF_HELPER, function):
                code[at + 1] = _OF_KERNEL
