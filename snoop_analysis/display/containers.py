# SPDX-License-Identifier: Apache-2.0
"""Names of containers for people."""

from collections import Counter
from collections.abc import Iterable

from snoop_analysis.terminal import printable


def labels(containers: Iterable[tuple[str, int]]) -> dict[tuple[str, int], str]:
    """A label for each name and cgroup id: the name, and the id too where names repeat."""
    known = sorted(set(containers))
    times = Counter(name for name, _ in known)
    return {
        (name, cgroup_id): printable(name if times[name] == 1 else f"{name} (cgroup {cgroup_id})")
        for name, cgroup_id in known
    }
