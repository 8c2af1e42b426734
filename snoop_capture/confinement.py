# SPDX-License-Identifier: Apache-2.0
"""Giving up what the recorder does not need once the BPF program is attached.

The program runs on in the kernel and is held by file descriptors; reading its memory and writing
files takes no privilege. So a recorder that runs for months is nobody in particular: another
user, no capabilities (capabilities(7)), no way to gain any (PR_SET_NO_NEW_PRIVS), and a seccomp
filter that denies what an intruder would reach for.

Capabilities belong to threads, so this must come before the first other thread that has some.
"""

import contextlib
import ctypes
import errno
import logging
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from snoop_capture import privileges
from snoop_capture.errors import CaptureError

if TYPE_CHECKING:
    from snoop_capture.program import Program

NOBODY_IN_PARTICULAR: Final = 65532  # user and group of the project's image

_log = logging.getLogger(__name__)

# include/uapi/linux: capability.h, prctl.h, bpf.h, sched.h
_CAP_SETGID: Final = 6
_CAP_SETUID: Final = 7
_CAPABILITY_VERSION: Final = 0x20080522
_BPF_AND_PERFMON: Final = 1 << 39 | 1 << 38
_PR_SET_KEEPCAPS: Final = 8
_PR_SET_NO_NEW_PRIVS: Final = 38
_BPF_COMMANDS: Final = 64
_BPF_ALLOWED: Final = (1, 4, 15, 17)  # look up, next key, object info, raw tracepoint open
_CLONE_NEWUSER: Final = 0x10000000

# What libraries import at first use; the new user may not be allowed to read their files.
_IMPORTED_LATER: Final = (
    "concurrent.futures.thread",
    "dateutil.relativedelta",
    "encodings.ascii",
    "numpy.ma",
    "pyarrow.acero",
    "zoneinfo",
)

_DENIED: Final = """
    execve execveat ptrace process_vm_readv process_vm_writev pidfd_getfd kcmp
    mount umount2 move_mount open_tree fsopen fsconfig fsmount fspick mount_setattr pivot_root
    chroot unshare setns open_by_handle_at perf_event_open userfaultfd io_uring_setup
    add_key request_key keyctl init_module finit_module delete_module kexec_load kexec_file_load
    reboot swapon swapoff acct settimeofday clock_settime sethostname setdomainname
"""


# What a trial in a child process found.
_UNWRITABLE: Final = 1
_NEEDS_CAPABILITIES: Final = 2


class User(NamedTuple):
    """Whom to become."""

    uid: int
    gid: int


@dataclass(frozen=True, slots=True)
class Confinement:
    """What a recorder may still do."""

    uid: int
    keeps_bpf: bool
    """It keeps CAP_BPF and CAP_PERFMON, for this kernel asks for them when maps are read."""
    filtered: bool
    """It has a seccomp filter."""


def import_what_is_needed() -> None:
    """Import what would be imported later, while files that only root can read can be read."""
    for name in _IMPORTED_LATER:
        with contextlib.suppress(ImportError):  # dateutil need not be installed
            import_module(name)


def confine(program: "Program", capture: Path, user: User) -> Confinement:
    """Give up root, capabilities and what else the process no longer needs; no way leads back.

    The user changes where that is possible (CAP_SETUID, CAP_SETGID) and the capture directory
    can be written by the new one; supplementary groups stay, for they may be what allows it.

    Args:
        program: attached.
        capture: where files will be written; made if it is not there.
        user: whom to become, if this process is root.

    Raises:
        CaptureError: another thread keeps capabilities, the directory cannot be written
            without privileges, or the kernel refuses.
    """
    itself = User(os.geteuid(), os.getegid())
    user = user if _may_change_user() else itself
    _make(capture, user)
    found = _try(lambda: _trial(program, capture, user))
    if found & _UNWRITABLE and user != itself:
        _log.warning(
            "user %d cannot write to %s: the recorder stays user %d, without capabilities",
            user.uid, capture, itself.uid,
        )  # fmt: skip
        user = itself
        found = _try(lambda: _trial(program, capture, user))
    if found & _UNWRITABLE:
        raise CaptureError(
            f"cannot write to {capture} as user {user.uid} without privileges: give the directory "
            "to that user, or in a pod to its group (securityContext.fsGroup)"
        )
    keep = _BPF_AND_PERFMON if found & _NEEDS_CAPABILITIES else 0
    if keep & ~privileges.effective():
        raise CaptureError(
            "this kernel asks for CAP_BPF and CAP_PERFMON as long as a recording runs: run "
            "snoop-capture with them, as root"
        )
    if keep:
        _log.warning("the recorder keeps CAP_BPF and CAP_PERFMON: this kernel asks for them")
    _give_up(user, keep)
    _verify(keep)
    return Confinement(user.uid, bool(keep), _filter_calls())


def recorders_user() -> User:
    """Whom a recorder becomes: the user who called sudo, else nobody in particular."""
    uid, gid = (int(os.environ.get(f"SUDO_{name}", "0")) for name in ("UID", "GID"))
    return User(uid, gid) if uid and gid else User(NOBODY_IN_PARTICULAR, NOBODY_IN_PARTICULAR)


def _make(capture: Path, user: User) -> None:
    """Make the capture directory where there is none yet, for the user who will write to it."""
    if capture.exists():
        return
    try:
        capture.mkdir(mode=0o750, parents=True)
        if user.uid != os.geteuid():
            os.chown(capture, *user)
    except OSError as error:
        raise CaptureError(f"cannot make {capture}: {error.strerror}") from error


def _may_change_user() -> bool:
    held = privileges.effective()
    return os.geteuid() == 0 and all(held >> bit & 1 for bit in (_CAP_SETGID, _CAP_SETUID))


def _try(trial: Callable[[], int]) -> int:
    """What ``trial`` returns in a child process that ends with it."""
    child = os.fork()
    if child == 0:
        found = _UNWRITABLE | _NEEDS_CAPABILITIES
        try:
            found = trial()
        finally:
            os._exit(found)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _trial(program: "Program", capture: Path, user: User) -> int:
    """Give up everything, and see what is not possible then."""
    _give_up(user, 0)
    found = 0
    try:
        with tempfile.TemporaryFile(dir=capture):
            pass
    except OSError:
        found |= _UNWRITABLE
    try:
        program.rehearse()
    except (OSError, CaptureError):
        found |= _NEEDS_CAPABILITIES
    return found


def _give_up(user: User, keep: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if os.geteuid() == 0 and user.uid != 0:
        if keep:
            _must(libc.prctl(_PR_SET_KEEPCAPS, 1, 0, 0, 0))
        os.setgroups([group for group in os.getgroups() if group != 0])
        os.setresgid(user.gid, user.gid, user.gid)
        os.setresuid(user.uid, user.uid, user.uid)
    _set_capabilities(libc, keep)
    _must(libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))


def _set_capabilities(libc: Any, keep: int) -> None:
    """Permitted and effective; nothing is inheritable. capset(2)"""
    low, high = keep & 0xFFFFFFFF, keep >> 32
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0)
    data = (ctypes.c_uint32 * 6)(low, low, 0, high, high, 0)
    _must(libc.capset(header, data))


def _verify(keep: int) -> None:
    for thread in Path("/proc/self/task").iterdir():
        permitted = (thread / "status").read_text().partition("CapPrm:")[2].split()[0]
        if int(permitted, 16) & ~keep:
            raise CaptureError(f"cannot give up privileges: thread {thread.name} keeps some")


def _must(result: int) -> None:
    if result != 0:
        reason = os.strerror(ctypes.get_errno())
        raise CaptureError(f"cannot give up privileges: {reason}")


def _filter_calls() -> bool:
    """Deny system calls for good, through libseccomp; False where its Python module is missing."""
    try:
        import seccomp
    except ImportError:
        return False
    calls = seccomp.SyscallFilter(seccomp.ALLOW)
    calls.set_attr(seccomp.Attr.CTL_TSYNC, 1)  # for all threads
    denied = seccomp.ERRNO(errno.EPERM)
    for name in _DENIED.split():
        if seccomp.resolve_syscall(seccomp.Arch(), name) >= 0:
            calls.add_rule(denied, name)
    for command in set(range(_BPF_COMMANDS)) - set(_BPF_ALLOWED):
        calls.add_rule(denied, "bpf", seccomp.Arg(0, seccomp.EQ, command))
    calls.add_rule(denied, "bpf", seccomp.Arg(0, seccomp.GE, _BPF_COMMANDS))
    # clone3 passes its flags in memory, where a filter cannot look: have libc use clone.
    calls.add_rule(seccomp.ERRNO(errno.ENOSYS), "clone3")
    user_namespace = seccomp.Arg(0, seccomp.MASKED_EQ, _CLONE_NEWUSER, _CLONE_NEWUSER)
    calls.add_rule(denied, "clone", user_namespace)
    calls.load()
    return True
