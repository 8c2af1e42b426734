# SPDX-License-Identifier: Apache-2.0
"""Which io_uring requests take a path, and which field of the request's command is which.

Opcodes: ``enum io_uring_op`` of include/uapi/linux/io_uring.h. Commands: the structures ``io_…``
of the kernel's io_uring/ directory, as they are since Linux 6.0. Entries: what the program writes,
``struct io_uring_sqe`` of the same header.
"""

from dataclasses import dataclass
from typing import Final

from snoop_capture.syscalls import ACT_OPENS, ACT_TARGET, Syscall

FIRST: Final = 1024  # place of opcode 0 in the BPF table, behind the system calls
ROWS: Final = 64  # then, as many behind, the same opcodes with their fields in the entry


@dataclass(frozen=True, slots=True)
class Opcode:
    """A request: ``command`` is the structure, the rest are names of its fields.

    ``entry`` has the same fields of the entry; the last, ``flags``, is often not there.
    """

    number: int
    name: str
    command: str
    paths: tuple[str, ...]
    dirfds: tuple[str, ...]
    entry: tuple[str, str, str, str, str]
    flags: str = ""
    act: int = 0

    def fields(self) -> tuple[str, ...]:
        """Those of the command in the order of ``struct spec``: two paths, two dirfds, flags."""
        return (*(*self.paths, "")[:2], *(*self.dirfds, "")[:2], self.flags)

    def call(self) -> Syscall:
        """The request as an event names it; numbers stand for the presence of an argument."""
        return Syscall(
            name=f"io_uring:{self.name}",
            paths=tuple(map(len, self.paths)),
            dirfds=tuple(map(len, self.dirfds)),
            flags=len(self.flags),
            act=self.act,
            roles=("old", "new") if len(self.paths) > 1 else ("path",),
        )


_TWO: Final = (("oldpath", "newpath"), ("old_dfd", "new_dfd"))
_ONE: Final = (("filename",), ("dfd",))
_XATTR: Final = (("filename",), ("",))

# Fields of the entry in the order of ``Opcode.fields``; open_flags, statx_flags and the like are
# one field under several names.
_AT: Final = ("addr", "", "fd", "", "")
_AT_FLAGS: Final = ("addr", "", "fd", "", "open_flags")
_BOTH: Final = ("addr", "addr2", "fd", "len", "open_flags")
_LINK: Final = ("addr", "addr2", "", "fd", "")
_VALUE: Final = ("addr3", "", "", "", "")

OPCODES: Final = (
    Opcode(18, "openat", "io_open", *_ONE, _AT_FLAGS, "how.flags", ACT_OPENS),
    Opcode(21, "statx", "io_statx", *_ONE, _AT_FLAGS, "flags"),
    Opcode(28, "openat2", "io_open", *_ONE, _AT, "how.flags", ACT_OPENS),
    Opcode(35, "renameat2", "io_rename", *_TWO, _BOTH, "flags"),
    Opcode(36, "unlinkat", "io_unlink", *_ONE, _AT_FLAGS, "flags"),
    Opcode(37, "mkdirat", "io_mkdir", *_ONE, _AT),
    Opcode(38, "symlinkat", "io_link", _TWO[0], ("", "new_dfd"), _LINK, "", ACT_TARGET),
    Opcode(39, "linkat", "io_link", *_TWO, _BOTH, "flags"),
    Opcode(42, "setxattr", "io_xattr", *_XATTR, _VALUE),
    Opcode(44, "getxattr", "io_xattr", *_XATTR, _VALUE),
)


def opcode_table() -> dict[int, Syscall]:
    """The requests by their place in the BPF table."""
    return {FIRST + opcode.number: opcode.call() for opcode in OPCODES}
