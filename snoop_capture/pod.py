# SPDX-License-Identifier: Apache-2.0
"""The pod that the recorder runs in: its cgroup, whatever the set-up.

A container may see the cgroup tree in three ways: its own part of it alone (a private cgroup
namespace with the mount that goes with it), all of it by a mount of the node's ``/sys/fs/cgroup``,
or both. And what /proc/self/cgroup says is relative to the namespace. So the own cgroup is found
by who is in it (``cgroups.holding``), in each tree that is mounted, and the pod's is the nearest
above it that carries a pod's UID.
"""

import os
from dataclasses import dataclass
from pathlib import Path

from snoop_capture import cgroups
from snoop_capture.errors import CaptureError
from snoop_capture.runtimes import pod_uid


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod's cgroup."""

    uid: str
    tree: Path
    """Where the cgroup tree is mounted."""
    directory: Path
    recorder: Path
    """The cgroup of the container that this process runs in, directly below the pod's."""


def own_pod(uid: str | None = None) -> Pod:
    """Find the pod of this process.

    Args:
        uid: its UID, where that is known (from the Downward API): then no other is taken.

    Raises:
        CaptureError: no cgroup above this process's carries a pod's UID, or another one.
    """
    seen = []
    for tree in cgroups.trees():
        own = cgroups.holding(tree, os.getpid())
        if own is None:
            continue
        pod = pod_above(tree, own, uid)
        if pod is not None:
            return pod
        seen.append(f"{Path('/', own.relative_to(tree))} in {tree}")
    raise CaptureError(_nowhere(seen, uid))


def pod_above(tree: Path, own: Path, uid: str | None) -> Pod | None:
    """The nearest pod that the cgroup ``own`` lies in; with ``uid`` that one alone."""
    below = own
    for directory in own.parents:
        found = pod_uid(directory.name)
        if found is not None and uid in (None, found):
            return Pod(found, tree, directory, below)
        if directory == tree:
            return None
        below = directory
    return None


def _nowhere(seen: list[str], uid: str | None) -> str:
    which = f"pod {uid} (POD_UID)" if uid else "a pod's UID"
    where = ", and as ".join(seen) or "in no cgroup tree that is mounted here"
    return (
        f"no cgroup above this process carries {which}; it is seen as {where}. In a pod, mount the "
        "node's /sys/fs/cgroup read-only into the recorder's container (deploy/README.md); "
        "outside of one, use snoop-capture container or snoop-capture cgroup"
    )
