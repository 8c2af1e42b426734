# SPDX-License-Identifier: Apache-2.0
"""Two replays side by side."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

from snoop_analysis.errors import OptionError
from snoop_analysis.sqltext import statement

if TYPE_CHECKING:
    import duckdb

    from snoop_analysis.replay import Replay

_numbers = count(1)


def difference(first: Replay, second: Replay) -> duckdb.DuckDBPyRelation:
    """The files of both, over all containers; columns in ``sql/difference.sql``.

    Raises:
        OptionError: one of the two is no replay.
        CaptureError: a segment turns out to be damaged.
    """
    from snoop_analysis.replay import Replay

    for one in (first, second):
        if not isinstance(one, Replay):
            raise OptionError(
                f"a difference is between two replays, and not {type(one).__name__}: "
                "difference(first.replay(), second.replay())"
            )
    other = f"other_files_{next(_numbers)}"
    first.add_table(other, second.query(statement("used_files")).to_arrow_table())
    return first.query(
        statement("difference")
        .replace("/* used_files */", statement("used_files").rstrip(";\n"))
        .replace("/* other */", other)
    )
