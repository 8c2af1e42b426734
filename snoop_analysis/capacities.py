# SPDX-License-Identifier: Apache-2.0
"""What a bound on the files of a container would cost."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa

if TYPE_CHECKING:
    import duckdb

    from snoop_analysis.capture import Capture
    from snoop_analysis.replay import Replay


def capacity_table(
    capture: Capture,
    capacities: Sequence[int],
    arguments: Mapping[str, Any],
    look: Callable[[Replay], object] = lambda _: None,
) -> duckdb.DuckDBPyRelation:
    """A replay for each bound, and one without.

    Columns: capacity (0: no bound), hits (duplicate events), misses (new events), evictions,
    files (in the report), files_lost (not in the report, though used), all BIGINT. Where a summary
    tells of removed events, by one access to each file, hits are at most so many where there are
    evictions, misses and evictions at least.

    Args:
        capture: what to replay.
        capacities: the bounds.
        arguments: of ``Capture.replay``, but for the bound.
        look: is called with the replay without a bound.
    """
    rows: list[dict[str, int]] = []
    for capacity in (0, *capacities):
        replay = capture.replay(**arguments, max_unique_files=capacity)
        if not capacity:
            look(replay)
        ((new, duplicate, evicted, files),) = replay.query(
            "SELECT new, duplicate, evicted, unique_files FROM stats WHERE container_no IS NULL"
        ).fetchall()
        replay.close()
        rows.append(
            {
                "capacity": capacity,
                "hits": duplicate,
                "misses": new,
                "evictions": evicted,
                "files": files,
                "files_lost": (rows[0]["files"] if rows else files) - files,
            }
        )
    return capture.from_arrow(pa.Table.from_pylist(rows))
