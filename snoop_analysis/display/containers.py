# SPDX-License-Identifier: Apache-2.0
"""Names of containers for people."""

from collections import Counter
from collections.abc import Iterable

from snoop_analysis.display.cells import shortened
from snoop_analysis.terminal import printable


def labels(containers: Iterable[tuple[str, int]]) -> dict[tuple[str, int], str]:
    """A label for each name and cgroup id: the name, and the id too where they look the same."""
    seen = {(name, cgroup_id): shortened(printable(name)) for name, cgroup_id in sorted(containers)}
    times = Counter(seen.values())
    return {
        (name, cgroup_id): text if times[text] == 1 else f"{text} (cgroup {cgroup_id})"
        for (name, cgroup_id), text in seen.items()
    }
