# SPDX-License-Identifier: Apache-2.0
"""Files that the kernel opened by itself, beyond the recorded exec: completed from the image.

They are the nested ``#!`` interpreters of a script but the last, and the ELF interpreter.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import pyarrow as pa

from snoop_analysis.closure import RULES, close
from snoop_analysis.names import name_of
from snoop_analysis.observed import observe
from snoop_analysis.started import started

if TYPE_CHECKING:
    from snoop_analysis.closure import Closure
    from snoop_analysis.image import Image
    from snoop_analysis.replay import Replay

_KERNEL_OPENS: Final = {"script", "interpreter"}
_MARK: Final = "inferred"


def add_inferred(replay: Replay, image: Image) -> list[str]:
    """Give a replay the table ``inferred``: container, cgroup_id, path, syscalls (``inferred``).

    Returns:
        What is not known because it is not in the image, a sentence each.

    Raises:
        OptionError: the replay went on from a state.
    """
    rows: list[dict[str, object]] = []
    unknown: dict[str, None] = {}
    containers = replay.query("SELECT container_no, name, cgroup_id FROM chosen").fetchall()
    for number, name, cgroup_id in containers:
        replay.execute(
            f"CREATE OR REPLACE TABLE counted AS SELECT {number}::UINTEGER AS container_no"
        )
        observed = observe(replay, image)
        left_out = set(RULES) - _KERNEL_OPENS
        closure = close(image, observed, started(replay, image), left_out=left_out)
        unknown |= closure.unknown.fromkeys(closure.unknown)
        rows += (
            {"container": name, "cgroup_id": cgroup_id, "path": name_of(path), "syscalls": [_MARK]}
            for path in _inferred(closure)
            if path not in observed.files
        )
    columns = pa.schema(
        [
            ("container", pa.string()),
            ("cgroup_id", pa.uint64()),
            ("path", pa.string()),
            ("syscalls", pa.list_(pa.string())),
        ]
    )
    replay.add_table("inferred", pa.Table.from_pylist(rows, columns))
    return list(unknown)


def _inferred(closure: Closure) -> Iterator[str]:
    for path, reasons in closure.reasons.items():
        if any(one.inferred for one in reasons):
            yield path
