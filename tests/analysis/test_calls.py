# SPDX-License-Identifier: Apache-2.0
"""What the replay's SQL knows of system calls is what the format and the recorder know."""

import duckdb

from snoop_analysis.sqltext import statement
from snoop_format.calls import CALLS, NEED_NO_PATH


def test_calls_that_need_no_path() -> None:
    database = duckdb.connect()
    database.execute(statement("normalise"))
    database.execute(statement("calls"))
    names = sorted({name.removeprefix("io_uring:") for name in CALLS})
    query = "SELECT name FROM (SELECT unnest($names) AS name) WHERE takes_no_path(name)"
    assert {
        name for (name,) in database.execute(query, {"names": names}).fetchall()
    } == NEED_NO_PATH
