# SPDX-License-Identifier: Apache-2.0
"""The replay one event at a time: slow, plain, and independent of the one under test."""

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field


def normalised(path: bytes, base: bytes = b"") -> bytes:
    """The absolute, lexically clean form of ``path``; empty stays empty."""
    if not path:
        return b""
    parts: list[bytes] = []
    for part in (path if path.startswith(b"/") else base + b"/" + path).split(b"/"):
        if part == b"..":
            parts[-1:] = []
        elif part not in (b"", b"."):
            parts.append(part)
    return b"/" + b"/".join(parts)


@dataclass
class Container:
    """A container's LRU and what was counted."""

    files: OrderedDict[bytes, None] = field(default_factory=OrderedDict)
    new: int = 0
    duplicate: int = 0
    excluded: int = 0
    empty: int = 0
    evicted: int = 0


def replay(
    events: Iterable[tuple[int, bytes]],
    containers: Iterable[int],
    exclude: Sequence[bytes],
    max_unique_files: int,
) -> tuple[list[str], dict[int, Container]]:
    """The result of each event, and the containers after the last one."""
    known = {cgroup_id: Container() for cgroup_id in containers}
    return [_result(known, event, exclude, max_unique_files) for event in events], known


def _result(
    known: dict[int, Container], event: tuple[int, bytes], exclude: Sequence[bytes], bound: int
) -> str:
    cgroup_id, path = event
    container = known.get(cgroup_id)
    if container is None:
        return "unknown_container"
    file = normalised(path)
    if not file:
        container.empty += 1
        return "empty"
    if any(file.startswith(prefix) for prefix in exclude):
        container.excluded += 1
        return "excluded"
    if file in container.files:
        container.files.move_to_end(file)
        container.duplicate += 1
        return "duplicate"
    container.files[file] = None
    container.new += 1
    if bound and len(container.files) > bound:
        container.files.popitem(last=False)
        container.evicted += 1
    return "new"
