# SPDX-License-Identifier: Apache-2.0
"""Which system calls take a path, under which number, and which argument is which.

One line a call: its name, its number on x86-64, on i386 and on arm64 (``-``: the architecture has
no such call), then its arguments in order. Words for arguments:

``path``              a path, relative to the working directory or to the ``dirfd`` before it
``old``, ``new``      the two paths of a two-path call, each after its own ``dirfd`` if it has one
``target``            the text of a symbolic link: stored, not looked up
``dirfd``, ``flags``  as in the manual page
``how``               pointer to ``struct open_how``, openat2(2)
``.``                 anything else

A last word in brackets says what a success means: ``[opens]`` it returns a file descriptor for
the path, ``[exec]`` the program was replaced, ``[chdir]`` and ``[chroot]`` the base of later
relative paths is a new one.

Sources: arch/x86/entry/syscalls/syscall_{64,32}.tbl and include/uapi/asm-generic/unistd.h of the
kernel for the numbers, the manual pages (section 2) for the arguments. Numbers from 424 on are
the same everywhere.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

_TABLE: Final = """
open                2    5    -  path flags . [opens]
openat            257  295   56  dirfd path flags . [opens]
openat2           437  437  437  dirfd path how . [opens]
creat              85    8    -  path . [opens]
execve             59   11  221  path . . [exec]
execveat          322  358  281  dirfd path . . flags [exec]
stat                4  106    -  path .
lstat               6  107    -  path .
newfstatat        262    -   79  dirfd path . flags
statx             332  383  291  dirfd path flags . .
access             21   33    -  path .
faccessat         269  307   48  dirfd path .
faccessat2        439  439  439  dirfd path . flags
readlink           89   85    -  path . .
readlinkat        267  305   78  dirfd path . .
"""

# Numbers of the tables below as BPF sees them: native calls first, then 32-bit ones.
TABLE_ROWS: Final = 1024
NATIVE: Final = 0
COMPAT: Final = 512

ACT_OPENS: Final = 1
ACT_EXEC: Final = 2
ACT_CHDIR: Final = 4
ACT_CHROOT: Final = 8
ACT_OPEN_HOW: Final = 16
ACT_TARGET: Final = 32  # the first path is a symbolic link's text: it has no base
ACT_MOVES: Final = ACT_CHDIR | ACT_CHROOT

_ACTS: Final = {
    "[opens]": ACT_OPENS,
    "[exec]": ACT_EXEC,
    "[chdir]": ACT_CHDIR,
    "[chroot]": ACT_CHROOT,
}
_COLUMNS: Final = {"x86_64": (1, 2), "aarch64": (3, None)}
_PATHS: Final = ("path", "old", "new", "target")
_SPEC: Final = struct.Struct("=8B")


@dataclass(frozen=True, slots=True)
class Syscall:
    """How one call passes its paths. Argument numbers count from 1; 0 stands for none."""

    name: str
    paths: tuple[int, ...]
    dirfds: tuple[int, ...]
    flags: int = 0
    act: int = 0
    roles: tuple[str, ...] = field(default=())


def _parse(name: str, words: list[str]) -> Syscall:
    act = 0
    if words[-1] in _ACTS:
        act = _ACTS[words.pop()]
    paths, dirfds, roles = [], [], []
    dirfd = flags = 0
    for number, word in enumerate(words, start=1):
        if word == "dirfd":
            dirfd = number
        elif word in ("flags", "how"):
            flags = number
            act |= ACT_OPEN_HOW if word == "how" else 0
        elif word in _PATHS:
            paths.append(number)
            dirfds.append(dirfd)
            roles.append(word)
            dirfd = 0
    return Syscall(name, tuple(paths), tuple(dirfds), flags, act, tuple(roles))


def _rows() -> Iterator[list[str]]:
    yield from (line.split() for line in _TABLE.strip().splitlines())


def syscall_table(machine: str) -> dict[int, Syscall]:
    """The traced calls of an architecture by their place in the BPF table.

    Args:
        machine: as ``uname -m`` says it: ``x86_64`` or ``aarch64``.

    Raises:
        KeyError: there is no table for the architecture.
    """
    native, compat = _COLUMNS[machine]
    table = {}
    for row in _rows():
        for column, first in ((native, NATIVE), (compat, COMPAT)):
            if column is not None and row[column] != "-":
                table[first + int(row[column])] = _parse(row[0], row[4:])
    return table


def bpf_table(table: dict[int, Syscall]) -> list[bytes]:
    """``table`` as the ``struct spec`` elements of bpf/snoop.c, ``TABLE_ROWS`` of them."""
    return [_bpf_spec(index, table) for index in range(TABLE_ROWS)]


def _bpf_spec(index: int, table: dict[int, Syscall]) -> bytes:
    twin = index % COMPAT + COMPAT
    wanted = index in table or twin in table
    call = table.get(index)
    if call is None:
        return _SPEC.pack(wanted, 0, 0, 0, 0, 0, 0, 0)
    paths = (*call.paths, 0)[:2]
    dirfds = (*call.dirfds, 0)[:2]
    return _SPEC.pack(wanted, *paths, *dirfds, call.flags, call.act, 0)


def macros() -> dict[str, int]:
    """The numbers above under the names that bpf/snoop.c has for them."""
    acts = {name: value for name, value in globals().items() if name.startswith("ACT_")}
    return acts | {"TABLE_ROWS": TABLE_ROWS, "COMPAT": COMPAT}
