# SPDX-License-Identifier: Apache-2.0
"""What programs look for in vain, and what avoids it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from snoop_analysis.sqltext import statement

if TYPE_CHECKING:
    import duckdb

    from snoop_analysis.replay import Replay


def failed_lookups(replay: Replay) -> duckdb.DuckDBPyRelation:
    """Search paths by program and directory, most misses first; of new events alone where
    ``replay`` went on from a state.

    Columns: container, program, prefix, misses, names, found, example, advice; see
    ``sql/failed_lookups.sql``.
    """
    replay.execute(statement("calls"))
    return replay.query(statement("failed_lookups"))
