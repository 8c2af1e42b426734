# SPDX-License-Identifier: Apache-2.0
"""Rows come in order, whatever a join made of it; what is far out of place is noticed."""

import duckdb
import pyarrow as pa
import pytest

from snoop_analysis.ordering import OutOfOrderError, in_order


def ordered(seqs: list[int]) -> list[int]:
    connection = duckdb.connect()
    sessions = pa.array([0] * len(seqs), pa.uint32())
    connection.register(
        "given", pa.table({"session_no": sessions, "seq": pa.array(seqs, pa.uint64())})
    )
    pieces = in_order(connection, "SELECT * FROM given")
    return [seq for piece in pieces for seq in piece.column("seq").to_pylist()]


@pytest.mark.parametrize("size", [0, 1, 5000, 50_000])
def test_nearly_sorted(size: int) -> None:
    seqs = list(range(size))
    for start in range(0, size, 2000):
        seqs[start : start + 2000] = reversed(seqs[start : start + 2000])
    assert ordered(seqs) == list(range(size))


def test_far_out_of_place() -> None:
    with pytest.raises(OutOfOrderError):
        ordered([*range(1, 1 << 21), 0])
