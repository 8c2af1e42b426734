# SPDX-License-Identifier: Apache-2.0
"""What to record, as cgroups: a pod, containers by id, directories of the cgroup tree."""

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Final

from snoop_capture import cgroups
from snoop_capture.errors import CaptureError
from snoop_capture.pod import Pod, own_pod
from snoop_capture.runtimes import Container, container_of

MAX_ROOTS: Final = 16  # that the BPF program compares, with those left out
_NAMED: Final = re.compile(r"[A-Za-z0-9][\w.-]*")
_HEXADECIMAL: Final = re.compile(r"[0-9a-f]{1,64}")
_NO_CONTAINERS: Final = (".slice", ".service")


@dataclass(frozen=True, slots=True)
class Target:
    """Cgroups to record with all below them, but for ``without``: where the recorder runs."""

    tree: Path
    """Where the cgroup tree is mounted; the others are directories in it."""
    roots: list[Path]
    without: list[Path] = field(default_factory=list)
    pod: Pod | None = None


def pod_target(uid: str | None = None) -> Target:
    """Everything in the pod of this process but the container of this process.

    Raises:
        CaptureError: this process is in no pod that can be seen.
    """
    pod = own_pod(uid)
    return Target(pod.tree, [pod.directory], [pod.recorder], pod)


def cgroup_target(paths: Sequence[Path]) -> Target:
    """Cgroups by their directories, or by their paths as /proc/PID/cgroup shows them.

    Raises:
        CaptureError: one is no cgroup, holds nothing but the recorder, or there are too many.
    """
    trees = cgroups.trees()
    found = [_locate(path, trees) for path in paths]
    if len({tree for tree, _ in found}) > 1:
        raise CaptureError(
            "the cgroups lie in several mounts of the tree: name all of them below one "
            f"({', '.join(map(str, trees))})"
        )
    return _target(found[0][0], [directory for _, directory in found])


def container_target(ids: Sequence[str]) -> Target:
    """Containers by their ids, or unique beginnings of them.

    Raises:
        CaptureError: there is no such container, or more than one.
    """
    for tree in cgroups.trees():
        known = list(_containers(tree))
        matches = [_matching(name, known) for name in ids]
        if all(matches):
            return _target(tree, [tree / _only(n, m) for n, m in zip(ids, matches, strict=True)])
    missing = next(name for name, match in zip(ids, matches, strict=True) if not match)
    raise CaptureError(
        f"no container {missing} in the cgroup tree: give its id or the beginning of it "
        "(docker ps -q, podman ps -q, crictl ps -q, nerdctl ps -q), and run this on its node"
    )


def _target(tree: Path, directories: Iterable[Path]) -> Target:
    roots = list(dict.fromkeys(directories))
    own = cgroups.holding(tree, os.getpid())
    without = []
    if own is not None and any(root in (own, *own.parents) for root in roots):
        container = container_of(_inside(own, tree))
        without = [tree / container.cgroup if container else own]
    if without and any(without[0] in (root, *root.parents) for root in roots):
        raise CaptureError(
            f"{without[0]} is the recorder's own cgroup: start the recorder in another one, "
            "for example with systemd-run --scope"
        )
    if len(roots) + len(without) > MAX_ROOTS:
        raise CaptureError(
            f"{len(roots)} cgroups are too many, {MAX_ROOTS - 1} are possible: name one above them"
        )
    return Target(tree, roots, without)


def _locate(path: Path, trees: list[Path]) -> tuple[Path, Path]:
    """The tree and the directory of a cgroup that was named by either of its two paths."""
    resolved = path.resolve()
    for tree in sorted(trees, key=lambda tree: -len(tree.parts)):
        inside = tree in (resolved, *resolved.parents)
        directory = resolved if inside else tree / str(path).lstrip("/")
        if (directory / "cgroup.procs").exists():
            return tree, directory
    raise CaptureError(
        f"{path} is no cgroup: give a directory below {' or '.join(map(str, trees))}, "
        "or a path as /proc/PID/cgroup shows it"
    )


def _inside(directory: Path, tree: Path) -> PurePosixPath:
    return PurePosixPath(directory.relative_to(tree))


def _containers(tree: Path) -> Iterable[Container]:
    """Every cgroup that may be a container's: by a runtime's id, or by any name."""
    for directory in cgroups.descendants(tree):
        path = _inside(directory, tree)
        container = container_of(path)
        if container and container.cgroup == path:
            yield container
        elif container is None and not path.name.endswith(_NO_CONTAINERS):
            yield Container(path.name.removesuffix(".scope"), path)


def _matching(name: str, known: Iterable[Container]) -> list[Container]:
    if _HEXADECIMAL.fullmatch(name):
        by_id = [c for c in known if c.id.startswith(name) and len(c.id) == 64]
        if by_id:
            return by_id
    return [c for c in known if c.id == name] if _NAMED.fullmatch(name) else []


def _only(name: str, matches: list[Container]) -> PurePosixPath:
    if len({container.id for container in matches}) > 1:
        found = ", ".join(sorted(container.short_id for container in matches))
        raise CaptureError(f"{name} is the beginning of several containers' ids: {found}")
    return matches[0].cgroup
