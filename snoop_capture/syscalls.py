# SPDX-License-Identifier: Apache-2.0
"""Which system calls take a path, under which number, and which argument is which.

One line a call: its name, its number on x86-64, on i386 and on arm64 (``-``: the architecture has
no such call), then its arguments in order. Words for arguments:

``path``              a path, relative to the working directory or to the ``dirfd`` before it
``old``, ``new``      the two paths of a two-path call, each after its own ``dirfd`` if it has one
``target``            an ``old`` that has no base: a symbolic link's text is stored, not looked up;
                      what mount(2) gets is often no path at all
``dirfd``, ``flags``  as in the manual page
``at``                the dirfd of the path before it
``how``               pointer to ``struct open_how``, openat2(2)
``sockaddr``          a socket's address, with a path if it is one of unix(7); ``size``: of that
``out``               where the call writes as many bytes as it returns
``out144``            where it writes so many
``out:handle``        where it writes a ``struct file_handle``
``out:args``          pointer to a ``struct xattr_args``, which says where it writes what it returns
``.``                 anything else

A last word in brackets says what a success means: ``[opens]`` it returns a file descriptor for
the path, ``[exec]`` the program was replaced, ``[chdir]`` and ``[chroot]`` the base of later
relative paths is a new one; or that only some calls take a path: ``[fsconfig]`` those whose
command, here ``flags``, is to set one. A call whose arguments differ between architectures has two
lines.

Not here, for they take no path from the caller: getcwd, fchdir, open_by_handle_at. Not here either:
sendto, sendmsg and socketcall, whose addresses hardly ever have one; bpf, whose objects are no
files of programs.

Sources: arch/x86/entry/syscalls/syscall_{64,32}.tbl and include/uapi/asm-generic/unistd.h of the
kernel for the numbers, the manual pages (section 2) for the arguments. Numbers from 424 on are
the same everywhere.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

_TABLE: Final = """
open                  2    5    -  path flags . [opens]
openat              257  295   56  dirfd path flags . [opens]
openat2             437  437  437  dirfd path how . [opens]
creat                85    8    -  path . [opens]
open_tree           428  428  428  dirfd path flags [opens]
open_tree_attr      467  467  467  dirfd path flags . . [opens]
execve               59   11  221  path . . [exec]
execveat            322  358  281  dirfd path . . flags [exec]
uselib              134   86    -  path
stat                  4    -    -  path out144
stat                  -  106    -  path out64
lstat                 6    -    -  path out144
lstat                 -  107    -  path out64
oldstat               -   18    -  path out32
oldlstat              -   84    -  path out32
stat64                -  195    -  path out96
lstat64               -  196    -  path out96
newfstatat          262    -    -  dirfd path out144 flags
newfstatat            -    -   79  dirfd path out128 flags
fstatat64             -  300    -  dirfd path out96 flags
statx               332  383  291  dirfd path flags . out256
statfs              137    -   43  path out120
statfs                -   99    -  path out64
statfs64              -  268    -  path . out84
file_getattr        468  468  468  dirfd path out24 . flags
file_setattr        469  469  469  dirfd path . . flags
access               21   33    -  path .
faccessat           269  307   48  dirfd path .
faccessat2          439  439  439  dirfd path . flags
readlink             89   85    -  path out .
readlinkat          267  305   78  dirfd path out .
name_to_handle_at   303  341  264  dirfd path out:handle . flags
chdir                80   12   49  path [chdir]
chroot              161   61   51  path [chroot]
pivot_root          155  217   41  new old [chroot]
mkdir                83   39    -  path .
mkdirat             258  296   34  dirfd path .
mknod               133   14    -  path . .
mknodat             259  297   33  dirfd path . .
rmdir                84   40    -  path
unlink               87   10    -  path
unlinkat            263  301   35  dirfd path flags
rename               82   38    -  old new
renameat            264  302   38  dirfd old dirfd new
renameat2           316  353  276  dirfd old dirfd new flags
link                 86    9    -  old new
linkat              265  303   37  dirfd old dirfd new flags
symlink              88   83    -  target new
symlinkat           266  304   36  target dirfd new
chmod                90   15    -  path .
fchmodat            268  306   53  dirfd path .
fchmodat2           452  452  452  dirfd path . flags
chown                92  182    -  path . .
chown32               -  212    -  path . .
lchown               94   16    -  path . .
lchown32              -  198    -  path . .
fchownat            260  298   54  dirfd path . . flags
utime               132   30    -  path .
utimes              235  271    -  path .
futimesat           261  299    -  dirfd path .
utimensat           280  320   88  dirfd path . flags
utimensat_time64      -  412    -  dirfd path . flags
truncate             76   92   45  path .
truncate64            -  193    -  path . .
setxattr            188  226    5  path . . . flags
lsetxattr           189  227    6  path . . . flags
getxattr            191  229    8  path . out .
lgetxattr           192  230    9  path . out .
listxattr           194  232   11  path out .
llistxattr          195  233   12  path out .
removexattr         197  235   14  path .
lremovexattr        198  236   15  path .
setxattrat          463  463  463  dirfd path flags . . .
getxattrat          464  464  464  dirfd path flags . out:args .
listxattrat         465  465  465  dirfd path flags out .
removexattrat       466  466  466  dirfd path flags .
inotify_add_watch   254  292   27  . path flags
fanotify_mark       301    -  263  . flags . dirfd path
fanotify_mark         -  339    -  . flags . . dirfd path
mount               165   21   40  target new . flags .
umount                -   22    -  path
umount2             166   52   39  path flags
move_mount          429  429  429  dirfd old dirfd new flags
mount_setattr       442  442  442  dirfd path flags . .
fspick              433  433  433  dirfd path flags
fsconfig            431  431  431  . flags . path at [fsconfig]
bind                49  361  200  . sockaddr size
connect             42  362  203  . sockaddr size
swapon              167   87  224  path flags
swapoff             168  115  225  path
acct                163   51   89  path
quotactl            179  131   60  . path . .
"""

# The place of a call in the BPF table: its number, for 32-bit calls with this added.
COMPAT: Final = 512

ACT_OPENS: Final = 1
ACT_EXEC: Final = 2
ACT_CHDIR: Final = 4
ACT_CHROOT: Final = 8
ACT_OPEN_HOW: Final = 16
ACT_TARGET: Final = 32  # the first path is a symbolic link's text: it has no base
ACT_FSCONFIG: Final = 64
ACT_SOCKET: Final = 128
ACT_MOVES: Final = ACT_CHDIR | ACT_CHROOT

# What stands in place of the size of an output that says its size itself.
OUTPUT_HANDLE: Final = 254
OUTPUT_ARGS: Final = 253
OUTPUT_SPECIAL: Final = 253  # from there on

_OUTPUTS: Final = {":handle": OUTPUT_HANDLE, ":args": OUTPUT_ARGS}
_ACTS: Final = {
    "how": ACT_OPEN_HOW,
    "target": ACT_TARGET,
    "sockaddr": ACT_SOCKET,
    "[opens]": ACT_OPENS,
    "[exec]": ACT_EXEC,
    "[chdir]": ACT_CHDIR,
    "[chroot]": ACT_CHROOT,
    "[fsconfig]": ACT_FSCONFIG,
}
_COLUMNS: Final = {"x86_64": (1, 2), "aarch64": (3, None)}
_PATHS: Final = ("path", "old", "new", "target", "sockaddr")


@dataclass(frozen=True, slots=True)
class Syscall:
    """How one call passes its paths. Argument numbers count from 1; 0 stands for none."""

    name: str
    paths: tuple[int, ...]
    dirfds: tuple[int, ...]
    flags: int = 0
    act: int = 0
    output: int = 0
    output_words: int = 0  # of 4 bytes; 0: as many bytes as the call returns; or OUTPUT_...
    roles: tuple[str, ...] = field(default=())


def _parse(name: str, words: list[str]) -> Syscall:
    act = 0
    if words[-1].startswith("["):
        act = _ACTS[words.pop()]
    paths: list[int] = []
    dirfds: list[int] = []
    roles: list[str] = []
    dirfd = flags = output = output_words = 0
    for number, word in enumerate(words, start=1):
        if word == "dirfd":
            dirfd = number
        elif word == "at":
            dirfds[-1] = number
        elif word in ("flags", "how", "size"):
            flags = number
            act |= _ACTS.get(word, 0)
        elif word.startswith("out"):
            output = number
            size = word.removeprefix("out")
            output_words = _OUTPUTS[size] if size in _OUTPUTS else int(size or 0) // 4
        elif word in _PATHS:
            paths.append(number)
            dirfds.append(dirfd)
            roles.append({"target": "old", "sockaddr": "path"}.get(word, word))
            act |= _ACTS.get(word, 0)
            dirfd = 0
    return Syscall(
        name, tuple(paths), tuple(dirfds), flags, act, output, output_words, tuple(roles)
    )


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
        for column, first in ((native, 0), (compat, COMPAT)):
            if column is not None and row[column] != "-":
                table[first + int(row[column])] = _parse(row[0], row[4:])
    return table


def macros() -> dict[str, int]:
    """The acts and outputs under the names that the BPF program has for them."""
    return {
        name: value for name, value in globals().items() if name.startswith(("ACT_", "OUTPUT_"))
    }
