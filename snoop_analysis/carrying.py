# SPDX-License-Identifier: Apache-2.0
"""Ending a replay so that another can go on where it ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa

from snoop_analysis.sequence import rows_before_positions
from snoop_analysis.sqltext import statement
from snoop_analysis.state import State

if TYPE_CHECKING:
    from snoop_analysis.replay import Replay


def leave(replay: Replay) -> State:
    """Where ``replay`` ended."""
    capture = replay.capture
    positions = capture.positions()
    ((first_us, last_us, implausible, undated),) = replay.query("SELECT * FROM covered").fetchall()
    return State(
        settings=replay.settings,
        positions=positions,
        rows=rows_before_positions(capture, positions),
        sequences=replay.sequences,
        left_out=frozenset(capture.left_out),
        containers=capture.identities(),
        files=replay.query(statement("leave_files")).to_arrow_table(),
        counts=replay.query(statement("leave_counts")).to_arrow_table(),
        first_us=first_us,
        last_us=last_us,
        implausible_times=implausible,
        undated_events=undated,
    )


def take_up(connection: duckdb.DuckDBPyConnection, state: State) -> None:
    """Fill the tables of ``sql/carried.sql`` from a state."""
    for table, rows in (("carried_files", state.files), ("carried_counts", state.counts)):
        columns = [name for name in rows.column_names if name != "identity"]
        insert(
            connection,
            f"{table} (container_no, {', '.join(columns)}) "
            f"SELECT container_no, {', '.join(columns)} "
            "FROM inserted LEFT JOIN containers USING (identity)",
            rows,
        )
    connection.execute(
        "INSERT INTO carried_times VALUES (?, ?, ?, ?)",
        [state.first_us, state.last_us, state.implausible_times, state.undated_events],
    )


def insert(
    connection: duckdb.DuckDBPyConnection, query: str, rows: pa.Table | pa.RecordBatch
) -> None:
    """INSERT INTO ``query``: a table, and a selection from ``inserted``, which are ``rows``."""
    table = rows if isinstance(rows, pa.Table) else pa.Table.from_batches([rows])
    connection.register("inserted", table)
    connection.execute(f"INSERT INTO {query}")
    connection.unregister("inserted")
