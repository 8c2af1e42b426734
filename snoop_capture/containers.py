# SPDX-License-Identifier: Apache-2.0
"""The names of traced cgroups: which container each is, when it was there, what it mounts.

The kernel traces whole subtrees, so that nothing is missed while a container is not known here;
this only looks at the tree from time to time to give names to what it has traced.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, Final

from snoop_capture import cgroups
from snoop_capture.mounts import Mount, mounts_of
from snoop_capture.runtimes import Container, container_of, pod_uid
from snoop_capture.storage import now
from snoop_capture.targets import Target

_PROC: Final = Path("/proc")
# Where kubelet mounts a file of its own into each container, and where that file lies.
_KUBELET_FILE: Final = "/dev/termination-log"
_KUBELET_ROOT: Final = re.compile(r"/pods/[^/]+/containers/([a-z0-9-]+)/[^/]+$")
_RUNTIMES_AT_WORK: Final = ("runc", "crun", "youki", "conmon")


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
    mounts: list[Mount] = field(default_factory=list)


class Containers:
    """The cgroups of a target.

    Args:
        target: what is recorded.
    """

    def __init__(self, target: Target) -> None:
        self._target = target
        self._known: dict[int, _Known] = {}
        self._told: Mapping[str, Mapping[str, Any]] = {}
        self.look()

    @property
    def known(self) -> set[int]:
        """Ids of the cgroups met so far."""
        return set(self._known)

    @property
    def container_ids(self) -> set[str]:
        """Ids of the containers met so far."""
        return {k.container.id for k in self._known.values() if k.container}

    def tell(self, told: Mapping[str, Mapping[str, Any]]) -> None:
        """Take what else is known of containers (name, image, image_digest, …) by their ids."""
        self._told = told

    def look(self) -> None:
        """Take note of the cgroups that are there now."""
        time = now()
        for root in self._target.roots:
            for directory in cgroups.descendants(root):
                if not self._is_left_out(directory):
                    self._meet(directory, root, time)

    def entries(self, cgroup_ids: Iterable[int] = ()) -> list[dict[str, Any]]:
        """Entries for ``session.json``: of all that were met, and of these ids in any case.

        A cgroup that was never met has only its id for a name.
        """
        unknown = set(cgroup_ids) - self._known.keys()
        return [self._entry(known) for known in self._known.values()] + [
            {"cgroup_id": identity, "name": f"cgroup-{identity}"} for identity in sorted(unknown)
        ]

    def _is_left_out(self, directory: Path) -> bool:
        return any(left in (directory, *directory.parents) for left in self._target.without)

    def _meet(self, directory: Path, root: Path, time: str) -> None:
        try:
            identity = cgroups.cgroup_id(directory)
        except FileNotFoundError:
            return  # removed between two steps of the look
        known = self._known.get(identity)
        if known is None:
            path = PurePosixPath("/", directory.relative_to(self._target.tree))
            below = str(PurePosixPath(root.name, directory.relative_to(root)))
            known = _Known(identity, path, below, time, time, container_of(path), _pod_of(path))
            self._known[identity] = known
        known.last_seen = time
        known.mounts = known.mounts or _mounts_in(directory)

    def _entry(self, known: _Known) -> dict[str, Any]:
        container = known.container
        told = self._told.get(container.id, {}) if container else {}
        entry = {
            "cgroup_id": known.cgroup_id,
            "cgroup_path": str(known.path),
            "name": self._name(known, told.get("name")),
            "container_id": container.id if container else None,
            "pod_uid": known.pod_uid,
            "first_seen": known.first_seen,
            "last_seen": known.last_seen,
            "mounts": [mount.entry() for mount in known.mounts] or None,
        }
        return {k: v for k, v in ({**told, **entry}).items() if v is not None}

    def _name(self, known: _Known, told: str | None) -> str:
        """The container's name, and what lies between its cgroup and this one."""
        container = known.container
        if container is None:
            return known.below
        name = told or _kubelet_name(known.mounts) or container.short_id
        return str(PurePosixPath(name, known.path.relative_to(container.cgroup)))


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
