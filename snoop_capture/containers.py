# SPDX-License-Identifier: Apache-2.0
"""The names of traced cgroups: which container each is, when it was there, what it mounts.

The kernel traces whole subtrees, so that nothing is missed while a container is not known here;
this looks at the tree when it changes, to give names to what was traced.
"""

import logging
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Final

from snoop_capture import cgroups
from snoop_capture.arrivals import Arrivals
from snoop_capture.identity import Identity
from snoop_capture.mounts import Mount, mounts_of
from snoop_capture.runtimes import Container, container_of, pod_uid
from snoop_capture.sessions import now
from snoop_capture.targets import Target

if TYPE_CHECKING:  # it brings an HTTP client, which most recordings can do without
    from snoop_capture.kubernetes import PodWatch, Told

_log = logging.getLogger(__name__)

_NOBODY: Final = Identity()
_PROC: Final = Path("/proc")
# Where kubelet mounts a file of its own into each container, and where that file lies.
_KUBELET_FILE: Final = "/dev/termination-log"
_KUBELET_ROOT: Final = re.compile(r"/pods/[^/]+/containers/([a-z0-9-]+)/[^/]+$")
_RUNTIMES_AT_WORK: Final = ("runc", "crun", "youki", "conmon", "exe")  # runc runs itself as exe
# How often a container's mounts are read: more than once, for a runtime may have any name until it
# becomes the container's process, and sees the node's mounts until then.
_MOUNT_READINGS: Final = 3


@dataclass(slots=True)
class _Known:
    """A cgroup that was met."""

    cgroup_id: int
    path: PurePosixPath
    below: str
    """Its path from the directory that is recorded, with that."""
    first_seen: str
    last_seen: str
    container: Container | None
    pod_uid: str | None
    running: int
    """Processes that were in it when the recording began."""
    mounts: list[Mount] = field(default_factory=list)
    mount_readings: int = 0


class Containers:
    """The cgroups of a target.

    Args:
        target: what is recorded.
        identity: whose recording it is.
        watch: what asks the API server for the pod.
    """

    def __init__(
        self, target: Target, identity: Identity = _NOBODY, watch: "PodWatch | None" = None
    ) -> None:
        self._target = target
        self._identity = identity
        self._roots = {root: _id_now(root) for root in target.roots}
        self._known: dict[int, _Known] = {}
        self._arrivals = Arrivals()
        self._watch = watch
        self._begins = True
        self.look()
        self._begins = False

    def fileno(self) -> int:
        """Readable when there is a new cgroup: ``look`` then."""
        return self._arrivals.fileno()

    @property
    def known(self) -> set[int]:
        """Ids of the cgroups met so far."""
        return set(self._known)

    @property
    def gone(self) -> bool:
        """Have all cgroups of the target been removed? One that is made anew is another one."""
        return all(_id_now(root) != was for root, was in self._roots.items())

    def look(self) -> None:
        """Take note of the cgroups that are there now."""
        self._arrivals.hush()
        time = now()
        for root, was in self._roots.items():
            if _id_now(root) != was:
                continue
            for directory in cgroups.descendants(root):
                if not self._is_left_out(directory):
                    self._meet(directory, root, time)
        self._ask()

    def entries(self, cgroup_ids: Iterable[int] = ()) -> list[dict[str, Any]]:
        """Entries for ``session.json``: of all that were met, and of these ids in any case.

        A cgroup that was never met has only its id for a name.
        """
        unknown = set(cgroup_ids) - self._known.keys()
        told = self._ask()
        return [self._entry(known, told) for known in self._known.values()] + [
            {"cgroup_id": number, "name": f"cgroup-{number}"} for number in sorted(unknown)
        ]

    def _is_left_out(self, directory: Path) -> bool:
        return any(left in (directory, *directory.parents) for left in self._target.without)

    def _meet(self, directory: Path, root: Path, time: str) -> None:
        identity = _id_now(directory)
        if identity is None:
            return  # removed between two steps of the look
        known = self._known.get(identity)
        if known is None:
            path = PurePosixPath("/", directory.relative_to(self._target.tree))
            below = str(PurePosixPath(root.name, directory.relative_to(root)))
            running = _processes(directory) if self._begins else 0
            found = container_of(path), _pod_of(path)
            known = _Known(identity, path, below, time, time, *found, running)
            self._known[identity] = known
            self._await_arrivals(directory)
        known.last_seen = time
        if known.container and known.mount_readings < _MOUNT_READINGS:
            mounts = _mounts_in(directory)
            known.mounts = mounts or known.mounts
            known.mount_readings += bool(mounts)

    def _await_arrivals(self, directory: Path) -> None:
        """Have the kernel tell of cgroups that are made in this one, inotify(7)."""
        try:
            self._arrivals.watch(directory)
        except FileNotFoundError:
            return
        except OSError as error:
            _log.warning(
                "cannot watch the cgroup tree (%s): containers that end within a second may be "
                "recorded without a name; raise fs.inotify.max_user_watches",
                error.strerror,
            )

    def _ask(self) -> "Told":
        """What the API server has told so far; it is asked for what is new."""
        if self._watch is None:
            return {}
        return self._watch.told({k.container.id for k in self._known.values() if k.container})

    def _entry(self, known: _Known, all_told: "Told") -> dict[str, Any]:
        container = known.container
        told = all_told.get(container.id, {}) if container else {}
        name = self._name(known, told.get("name"))
        image = self._identity.image_of(name.partition("/")[0]) if container else {}
        entry = {
            "cgroup_id": known.cgroup_id,
            "cgroup_path": str(known.path),
            "name": name,
            "container_id": container.id if container else None,
            "pod_uid": known.pod_uid,
            "first_seen": known.first_seen,
            "last_seen": known.last_seen,
            "running": known.running or None,
            "mounts": [mount.entry() for mount in known.mounts] or None,
        }
        return {k: v for k, v in {**image, **told, **entry}.items() if v is not None}

    def _name(self, known: _Known, told: str | None) -> str:
        """The container's name, and what lies between its cgroup and this one."""
        container = known.container
        if container is None:
            return known.below
        name = told or _kubelet_name(known.mounts) or container.short_id
        return str(PurePosixPath(name, known.path.relative_to(container.cgroup)))


def _id_now(directory: Path) -> int | None:
    try:
        return cgroups.cgroup_id(directory)
    except FileNotFoundError:
        return None


def _processes(directory: Path) -> int:
    """How many are in a cgroup, also those that cannot be seen from here (pid 0).

    But for a runtime that is only about to become the container's process.
    """
    try:
        pids = (directory / "cgroup.procs").read_text().split()
    except OSError:  # it has been removed
        return 0
    return sum(pid == "0" or _runs_in_container(pid) for pid in pids)


def _runs_in_container(pid: str) -> bool:
    try:
        return not _is_runtime((_PROC / pid / "comm").read_text())
    except OSError:  # it has ended
        return False


def _pod_of(path: PurePosixPath) -> str | None:
    """UID of the innermost pod that a cgroup lies in."""
    return next(filter(None, (pod_uid(above.name) for above in (path, *path.parents))), None)


def _mounts_in(directory: Path) -> list[Mount]:
    """The mounts of a process in a cgroup; none where none of its processes can be seen.

    Not those of a runtime that is only about to become the container's process: until then it
    sees the node's.
    """
    try:
        for pid in (directory / "cgroup.procs").read_text().split():
            process = _PROC / pid
            if pid != "0" and not _is_runtime((process / "comm").read_text()):
                return mounts_of(process)
    except OSError:  # the process or the cgroup has ended
        pass
    return []


def _is_runtime(comm: str) -> bool:
    return comm.strip().partition(":")[0] in _RUNTIMES_AT_WORK


def _kubelet_name(mounts: Iterable[Mount]) -> str | None:
    """The container's name in its pod, by the file that kubelet mounts into it."""
    roots = (mount.root for mount in mounts if mount.mount_point == _KUBELET_FILE)
    return next((match[1] for match in map(_KUBELET_ROOT.search, roots) if match), None)
