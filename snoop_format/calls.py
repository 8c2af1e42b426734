# SPDX-License-Identifier: Apache-2.0
"""The calls that take a path, as the column ``syscall`` names them."""

from typing import Final

EXEC_INTERPRETER: Final = "exec_interpreter"
"""The ``#!`` interpreter that the kernel opened for a script."""

# Of x86-64, i386 and arm64.
_SYSTEM_CALLS: Final = """
access acct bind chdir chmod chown chown32 chroot connect creat execve execveat faccessat faccessat2
fanotify_mark fchmodat fchmodat2 fchownat file_getattr file_setattr fsconfig fspick fstatat64
futimesat getxattr getxattrat inotify_add_watch lchown lchown32 lgetxattr link linkat listxattr
listxattrat llistxattr lremovexattr lsetxattr lstat lstat64 mkdir mkdirat mknod mknodat mount
mount_setattr move_mount name_to_handle_at newfstatat oldlstat oldstat open open_tree
open_tree_attr openat openat2 pivot_root quotactl readlink readlinkat removexattr removexattrat
rename renameat renameat2 rmdir setxattr setxattrat stat stat64 statfs statfs64 statx swapoff
swapon symlink symlinkat truncate truncate64 umount umount2 unlink unlinkat uselib utime
utimensat utimensat_time64 utimes
"""
# Requests to io_uring, which stand behind ``io_uring:``.
_REQUESTS: Final = """
getxattr linkat mkdirat openat openat2 renameat2 setxattr statx symlinkat unlinkat
"""

CALLS: Final = frozenset(
    [
        EXEC_INTERPRETER,
        *_SYSTEM_CALLS.split(),
        *(f"io_uring:{name}" for name in _REQUESTS.split()),
    ]
)
"""All that recorders of this version write; other writers may know more."""

NEED_NO_PATH: Final = frozenset(
    [
        "mount",
        "utimensat",
        "utimensat_time64",
        "futimesat",
        "statx",
        "newfstatat",
        "fstatat64",
        "quotactl",
        "acct",
        "fanotify_mark",
        "file_getattr",
        "file_setattr",
        "getxattrat",
        "setxattrat",
        "listxattrat",
        "removexattrat",
        "move_mount",
    ]
)
"""To these NULL is an answer to the question which path: none, or the file descriptor itself."""
