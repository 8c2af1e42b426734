# SPDX-License-Identifier: Apache-2.0
"""Two replays side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

from snoop_analysis.sqltext import statement

if TYPE_CHECKING:
    import duckdb

    from snoop_analysis.replay import Replay


def difference(first: Replay, second: Replay) -> duckdb.DuckDBPyRelation:
    """The files of both, over all containers; columns in ``sql/difference.sql``."""
    other = second.query(statement("used_files")).to_arrow_table()
    first.add_table("other_files", other)
    return first.query(
        statement("difference").replace("/* used_files */", statement("used_files").rstrip(";\n"))
    )
