# SPDX-License-Identifier: Apache-2.0
"""Rows come in order, whatever a join made of it; parts that do not follow on are noticed."""

import random

import duckdb
import pyarrow as pa
import pytest

from snoop_analysis.ordering import OutOfOrderError, in_order, sorted_by_database


def database(seqs: list[int]) -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    sessions = pa.array([0] * len(seqs), pa.uint32())
    connection.register(
        "given", pa.table({"session_no": sessions, "seq": pa.array(seqs, pa.uint64())})
    )
    return connection


def ordered(seqs: list[int], parts: list[tuple[int, int]]) -> list[int]:
    queries = [f"SELECT * FROM given WHERE seq >= {a} AND seq < {b}" for a, b in parts]
    pieces = in_order(database(seqs), queries)
    return [seq for piece in pieces for seq in piece.column("seq").to_pylist()]


@pytest.mark.parametrize("size", [0, 1, 5000, 50_000])
def test_parts_are_sorted(size: int) -> None:
    seqs = random.Random(size).sample(range(size), size)
    parts = [(0, size // 3), (size // 3, size // 2), (size // 2, size)]
    assert ordered(seqs, parts) == list(range(size))


@pytest.mark.parametrize("seed", range(20))
def test_runs_are_put_in_order(seed: int) -> None:
    pick = random.Random(seed)
    seqs = sorted(pick.choices(range(3000), k=2000))  # with gaps, and some of them twice
    cuts = sorted(pick.sample(range(1, 2000), seed))
    runs = [seqs[a:b] for a, b in zip([0, *cuts], [*cuts, 2000], strict=True)]
    workers: list[list[int]] = [[], [], []]
    for run in runs:
        pick.choice(workers).extend(run)
    assert ordered([seq for one in workers for seq in one], [(0, 3000)]) == seqs


def test_parts_that_do_not_follow_on() -> None:
    with pytest.raises(OutOfOrderError):
        ordered(list(range(10)), [(5, 10), (0, 5)])


def test_sorting_it_all() -> None:
    seqs = random.Random(1).sample(range(50_000), 50_000)
    pieces = sorted_by_database(database(seqs), "SELECT * FROM given")
    assert [seq for piece in pieces for seq in piece.column("seq").to_pylist()] == sorted(seqs)
