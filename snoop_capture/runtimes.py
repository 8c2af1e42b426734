# SPDX-License-Identifier: Apache-2.0
"""Which container, and which pod, a cgroup belongs to: the names that runtimes give cgroups.

A container's cgroup is its id, with the cgroupfs driver often as it is, with the systemd driver
as a scope whose name begins with the runtime's:

===========  ========================================  =====================================
             systemd                                   cgroupfs
===========  ========================================  =====================================
containerd   kubepods-…-pod<uid>.slice/                kubepods/…/pod<uid>/<id>
             cri-containerd-<id>.scope
CRI-O        …/crio-<id>.scope[/container]             …/crio-<id>[/container]
Docker       system.slice/docker-<id>.scope            docker/<id>
Podman       machine.slice/libpod-<id>.scope           libpod_parent/libpod-<id>
nerdctl      system.slice/nerdctl-<id>.scope           <namespace>/<id>
===========  ========================================  =====================================

A pod's is ``pod`` and its UID, in a systemd slice with ``_`` for ``-`` (kubelet's
pkg/kubelet/cm/cgroup_manager_linux.go); Podman's pods are ``machine-libpod_pod_<id>.slice``.
A monitor of the runtime (``crio-conmon-<id>.scope``) is no container.
"""

import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

_CONTAINER: Final = re.compile(
    r"(?:(?P<runtime>[a-z][a-z0-9]*(?:-[a-z0-9]+)*)-)?(?P<id>[0-9a-f]{64})(?:\.scope)?"
)
_MONITOR: Final = "conmon"
_UID: Final = r"[0-9a-f]{8}(?:[-_][0-9a-f]{4}){3}[-_][0-9a-f]{12}|[0-9a-f]{64}|[0-9a-f]{32}"
_POD: Final = re.compile(rf"(?:.*[-_])?pod_?(?P<uid>{_UID})(?:\.slice)?")
_SHORT: Final = 12


@dataclass(frozen=True, slots=True)
class Container:
    """A container as its cgroup tells of it."""

    id: str
    cgroup: PurePosixPath
    """Path of its cgroup; further cgroups may lie below."""

    @property
    def short_id(self) -> str:
        """The first twelve digits, as ``docker ps`` shows them."""
        return self.id[:_SHORT]


def container_of(cgroup: PurePosixPath) -> Container | None:
    """The innermost container that a cgroup is, or lies in; None if it is in none."""
    for path in (cgroup, *cgroup.parents):
        match = _CONTAINER.fullmatch(path.name)
        if match and not (match["runtime"] or "").endswith(_MONITOR):
            return Container(match["id"], path)
    return None


def pod_uid(name: str) -> str | None:
    """The pod's UID in the name of a cgroup's directory, as Kubernetes writes it; None: no pod."""
    match = _POD.fullmatch(name)
    return match["uid"].replace("_", "-") if match else None
