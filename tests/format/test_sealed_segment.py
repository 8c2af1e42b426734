# SPDX-License-Identifier: Apache-2.0
"""A sealed segment is a Parquet file with the columns of the format, whole or not there."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from snoop_format.schema import EVENTS, OPEN_EVENTS
from snoop_format.segment import ROW_GROUP, read_open, seal
from snoop_format.session import open_name, sealed_name, segments
from tests.format.segments import events, write


def test_the_schema_is_that_of_the_format(tmp_path: Path) -> None:
    seal([events(0, 10)], tmp_path / "s.parquet", {"key": "value"})
    file = pq.ParquetFile(tmp_path / "s.parquet")
    assert file.schema_arrow.equals(EVENTS)
    assert file.metadata.metadata[b"key"] == b"value"


def test_a_segment_without_events_has_the_schema_too(tmp_path: Path) -> None:
    seal([], tmp_path / "s.parquet", {})
    table = pq.read_table(tmp_path / "s.parquet")
    assert (table.num_rows, table.schema.equals(EVENTS)) == (0, True)


def test_events_keep_their_order_and_their_values(tmp_path: Path) -> None:
    batches = [events(0, 10), events(10, 1), events(11, 300)]
    seal(batches, tmp_path / "s.parquet", {})
    table = pq.read_table(tmp_path / "s.parquet")
    written = pa.Table.from_batches(batches, OPEN_EVENTS)
    assert table.to_pylist() == written.to_pylist()


@pytest.mark.parametrize("torn", [0, 77])
def test_sealing_keeps_every_committed_event(tmp_path: Path, torn: int) -> None:
    write(tmp_path / open_name(3), [5, 6])
    with (tmp_path / open_name(3)).open("ab") as file:
        file.write(b"\xff" * torn)
    expected = pa.Table.from_batches(read_open(tmp_path / open_name(3)).batches).to_pylist()
    seal(read_open(tmp_path / open_name(3)).batches, tmp_path / sealed_name(3), {})
    assert pq.read_table(tmp_path / sealed_name(3)).to_pylist() == expected
    assert sorted(tmp_path.iterdir()) == [tmp_path / open_name(3), tmp_path / sealed_name(3)]


def test_many_events_are_several_row_groups(tmp_path: Path) -> None:
    size = ROW_GROUP // 2 + 1
    batches = [events(number * size, size) for number in range(5)]
    seal(batches, tmp_path / "s.parquet", {})
    file = pq.ParquetFile(tmp_path / "s.parquet")
    groups = range(file.num_row_groups)
    rows = [file.metadata.row_group(group).num_rows for group in groups]
    assert rows == [2 * size, 2 * size, size]


def test_names_sort_as_numbers(tmp_path: Path) -> None:
    for number in (1, 2, 10, 123_456_789):
        (tmp_path / sealed_name(number)).touch()
    assert [number for number, _ in segments(tmp_path)] == [1, 2, 10, 123_456_789]


def test_the_sealed_one_counts_where_both_are(tmp_path: Path) -> None:
    for name in (sealed_name(1), open_name(1), open_name(2)):
        (tmp_path / name).touch()
    assert [path.name for _, path in segments(tmp_path)] == [sealed_name(1), open_name(2)]


@pytest.mark.parametrize(
    "name", ["events-1.parquet", "events-00000001.parquet.tmp", "session.json", "x.parquet"]
)
def test_other_files_are_no_segments(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    assert list(segments(tmp_path)) == []
