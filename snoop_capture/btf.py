# SPDX-License-Identifier: Apache-2.0
"""Where the fields of the running kernel's structures lie, from ``/sys/kernel/btf/vmlinux``.

The layout of BTF is documented in the kernel's Documentation/bpf/btf.rst; libbpf reads the file.
"""

import ctypes
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from snoop_capture.errors import CaptureError

VMLINUX: Final = Path("/sys/kernel/btf/vmlinux")

_KIND_STRUCT: Final = 4
_KIND_UNION: Final = 5
_KIND_ENUM: Final = 6
_KIND_TYPEDEF: Final = 8
_KIND_FUNCTION: Final = 12
_MODIFIERS: Final = {_KIND_TYPEDEF, 9, 10, 11}  # typedef, volatile, const, restrict


_NO_BTF: Final = (
    "this kernel has no BTF (/sys/kernel/btf/vmlinux): snoop needs a kernel built with "
    "CONFIG_DEBUG_INFO_BTF, as Debian's, Ubuntu's and Fedora's are"
)


def require() -> None:
    """Make sure that the kernel has BTF.

    Raises:
        CaptureError: it has none.
    """
    if not VMLINUX.exists():
        raise CaptureError(_NO_BTF)


class _Type(ctypes.Structure):
    _fields_ = (("name", ctypes.c_uint32), ("info", ctypes.c_uint32), ("type", ctypes.c_uint32))

    @property
    def kind(self) -> int:
        return int(self.info >> 24) & 0x1F

    @property
    def members(self) -> int:
        return int(self.info) & 0xFFFF


class _Member(ctypes.Structure):
    _fields_ = (("name", ctypes.c_uint32), ("type", ctypes.c_uint32), ("bits", ctypes.c_uint32))


class _Value(ctypes.Structure):
    _fields_ = (("name", ctypes.c_uint32), ("value", ctypes.c_uint32))


class KernelTypes:
    """The types of the running kernel.

    Raises:
        CaptureError: the kernel has no BTF, or libbpf is missing.
    """

    def __init__(self) -> None:
        try:
            lib = ctypes.CDLL("libbpf.so.1", use_errno=True)
        except OSError:
            raise CaptureError("libbpf is missing: install Debian's libbpf1") from None
        lib.btf__load_vmlinux_btf.restype = ctypes.c_void_p
        lib.btf__type_by_id.restype = ctypes.c_void_p
        lib.btf__type_by_id.argtypes = (ctypes.c_void_p, ctypes.c_uint32)
        lib.btf__name_by_offset.restype = ctypes.c_char_p
        lib.btf__name_by_offset.argtypes = (ctypes.c_void_p, ctypes.c_uint32)
        lib.btf__find_by_name_kind.argtypes = (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_uint32)
        self._lib = lib
        self._btf = lib.btf__load_vmlinux_btf()
        if not self._btf:
            raise CaptureError(_NO_BTF)

    def has_tracepoint(self, name: str) -> bool:
        """Is there a tracepoint of this name in the kernel (not in a module)?"""
        return self._find(f"btf_trace_{name}", _KIND_TYPEDEF) is not None

    def has_helper(self, name: str) -> bool:
        """Does the kernel have the BPF helper ``bpf_name``?"""
        type_id = self._find("bpf_func_id", _KIND_ENUM)
        if type_id is None:
            return False
        kind, address = self._type(type_id)
        values = (_Value * kind.members).from_address(address + ctypes.sizeof(_Type))
        wanted = f"BPF_FUNC_{name}".encode()
        return any(self._lib.btf__name_by_offset(self._btf, v.name) == wanted for v in values)

    def function(self, name: str) -> int | None:
        """The id of a function of the kernel's; None if there is none of this name."""
        return self._find(name, _KIND_FUNCTION)

    def structure(self, name: str) -> int | None:
        """The id of a structure, likewise."""
        return self._find(name, _KIND_STRUCT)

    def offset(self, field: str) -> int | None:
        """Byte offset of ``struct.member[.member…]``; None if this kernel has no such field.

        Members of anonymous structures and unions are found as in C.
        """
        name, *members = field.split(".")
        type_id = self.structure(name)
        if type_id is None:
            return None
        bits = 0
        for member in members:
            found = self._member(type_id, member.encode())
            if found is None:
                return None
            bits += found[0]
            type_id = found[1]
        return bits // 8

    def offsets(self, fields: Iterable[str]) -> dict[str, int]:
        """The offsets of ``fields``, all of which must exist.

        Raises:
            CaptureError: this kernel lacks one of them.
        """
        found = {field: self.offset(field) for field in fields}
        missing = [field for field, offset in found.items() if offset is None]
        if missing:
            raise CaptureError(f"this kernel has no {', '.join(missing)}: snoop does not know it")
        return {field: offset for field, offset in found.items() if offset is not None}

    def _find(self, name: str, kind: int) -> int | None:
        type_id = int(self._lib.btf__find_by_name_kind(self._btf, name.encode(), kind))
        return type_id if type_id > 0 else None

    def _type(self, type_id: int) -> tuple[_Type, int]:
        address = self._lib.btf__type_by_id(self._btf, type_id)
        return _Type.from_address(address), address

    def _member(self, type_id: int, name: bytes) -> tuple[int, int] | None:
        kind, address = self._type(type_id)
        while kind.kind in _MODIFIERS:
            kind, address = self._type(kind.type)
        if kind.kind not in (_KIND_STRUCT, _KIND_UNION):
            return None
        members = (_Member * kind.members).from_address(address + ctypes.sizeof(_Type))
        for member in members:
            # With the kind flag set, the upper eight bits hold a bit field's width.
            bits = member.bits & 0xFFFFFF if kind.info >> 31 else member.bits
            member_name = self._lib.btf__name_by_offset(self._btf, member.name)
            if member_name == name:
                return bits, member.type
            if not member_name:
                inner = self._member(member.type, name)
                if inner is not None:
                    return bits + inner[0], inner[1]
        return None
