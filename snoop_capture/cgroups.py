# SPDX-License-Identifier: Apache-2.0
"""The cgroup v2 tree: where it is mounted, cgroups made and found. See cgroups(7)."""

import contextlib
import fcntl
import os
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from snoop_capture.errors import CaptureError
from snoop_capture.mounts import mounts_of

_OF_COMMANDS: Final = "snoop-????????T??????Z-????????"  # the names, after those of sessions
_JUST_MADE: Final = 60  # seconds in which a cgroup may have neither a lock nor a process yet
_SELF: Final = Path("/proc/self")
_OWN: Final = Path("/proc/self/cgroup")
_PID_NAMESPACE: Final = Path("/proc/self/ns/pid")
_FIRST_PID_NAMESPACE: Final = 0xEFFFFFFC  # PROC_PID_INIT_INO of linux/proc_ns.h


def mount_point() -> Path:
    """Where cgroup v2 is mounted: ``/sys/fs/cgroup``, in hybrid set-ups ``…/unified``.

    Raises:
        CaptureError: it is not mounted.
    """
    return trees()[0]


def trees() -> list[Path]:
    """Every place where cgroup v2 is mounted: in a container, perhaps the node's tree as well.

    Raises:
        CaptureError: there is none.
    """
    found = [Path(m.mount_point) for m in mounts_of(_SELF) if m.fstype == "cgroup2"]
    if not found:
        raise CaptureError(
            "cgroup v2 is not mounted: boot with systemd.unified_cgroup_hierarchy=1, or mount it "
            "with mount -t cgroup2 none /sys/fs/cgroup/unified"
        )
    return found


def descendants(directory: Path) -> Iterator[Path]:
    """A cgroup and all below it; each before those below it are looked for.

    Those that are removed meanwhile may be missing.
    """
    yield directory
    try:
        below = sorted(entry.path for entry in os.scandir(directory) if entry.is_dir())
    except FileNotFoundError:
        return
    for path in below:
        yield from descendants(Path(path))


def holding(tree: Path, pid: int) -> Path | None:
    """The cgroup of a process: where ``cgroup.procs`` lists it.

    That is true whatever /proc/PID/cgroup says in a cgroup namespace, for the kernel lists
    processes by their numbers in the reader's own pid namespace. None: it is not in this tree.
    """
    return next((found for found in descendants(tree) if str(pid) in _members(found)), None)


def processes(directory: Path) -> set[int]:
    """The processes in a cgroup and below it, by the numbers that the kernel itself has for them.

    None where this process is in a pid namespace that has others.
    """
    found: set[int] = set()
    if _PID_NAMESPACE.stat().st_ino != _FIRST_PID_NAMESPACE:
        return found
    for below in descendants(directory):
        found.update(map(int, _members(below)))
    return found


def _members(directory: Path) -> set[str]:
    """The processes in a cgroup itself.

    None where it was removed meanwhile, or is of type threaded: its processes are listed above.
    """
    try:
        return set((directory / "cgroup.procs").read_text().split())
    except OSError:
        return set()


def own() -> Path:
    """The directory of the cgroup that this process is in."""
    lines = _OWN.read_text().splitlines()
    path = next((line[3:] for line in lines if line.startswith("0::")), "/")
    return mount_point() / path.lstrip("/")


def cgroup_id(directory: Path) -> int:
    """A cgroup's id: the inode number of its directory."""
    return directory.stat().st_ino


def path_of(directory: Path) -> str:
    """A cgroup's path as /proc/PID/cgroup shows it, from the mount point."""
    return "/" + str(directory.relative_to(mount_point())).removeprefix(".")


class CommandCgroup:
    """A fresh cgroup for one command, below the recorder's own.

    Those whose recorder was killed, and whose command has ended since, are removed.

    Raises:
        CaptureError: it cannot be made.
    """

    def __init__(self, name: str) -> None:
        self.directory = own() / name
        try:
            _remove_abandoned(self.directory.parent)
            self._lock = _made(self.directory)
        except OSError as error:
            raise CaptureError(
                f"cannot make the cgroup {self.directory}: {error.strerror}; "
                "snoop-capture run needs a writable cgroup v2 tree"
            ) from error

    def add(self, pid: int) -> None:
        """Move a process into the cgroup."""
        (self.directory / "cgroup.procs").write_text(str(pid))

    def descendants(self) -> Iterator[Path]:
        """This cgroup and all below it."""
        return descendants(self.directory)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.directory.exists():
            self.release()
        os.close(self._lock)

    def release(self) -> int:
        """Move what still runs in it to the cgroup above, and remove it.

        Returns:
            how many processes were moved.
        """
        moved = sum(map(self._evacuate, self.descendants()))
        for directory in sorted(self.descendants(), reverse=True):
            _remove(directory)
        return moved

    def _evacuate(self, directory: Path) -> int:
        parent = self.directory.parent / "cgroup.procs"
        moved: set[str] = set()
        # One whose first thread has ended stays in the list, although the others have moved.
        while pids := _members(directory) - moved:
            for pid in pids:
                try:
                    parent.write_text(pid)
                    moved.add(pid)
                except ProcessLookupError:
                    continue  # it has ended meanwhile
        return len(moved)


def _made(directory: Path) -> int:
    """Make a cgroup. Its descriptor is locked as long as this process lives, flock(2)."""
    directory.mkdir()
    lock = os.open(directory, os.O_RDONLY)
    fcntl.flock(lock, fcntl.LOCK_EX)
    return lock


def _remove_abandoned(parent: Path) -> None:
    """Remove the cgroups made for commands which neither a recorder nor a process has any more."""
    for directory in parent.glob(_OF_COMMANDS):
        with contextlib.suppress(OSError):  # another recorder removes it, or holds its lock
            lock = os.open(directory, os.O_RDONLY)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                old = time.time() - os.fstat(lock).st_mtime > _JUST_MADE
                if old and "populated 0" in (directory / "cgroup.events").read_text():
                    for below in sorted(descendants(directory), reverse=True):
                        below.rmdir()
            finally:
                os.close(lock)


def _remove(directory: Path) -> None:
    """Rmdir a cgroup; a process that is just ending keeps it busy for a moment."""
    for last in (*[False] * 100, True):
        try:
            directory.rmdir()
            return
        except FileNotFoundError:
            return
        except OSError:
            if last:
                raise
            time.sleep(0.01)
