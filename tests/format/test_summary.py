# SPDX-License-Identifier: Apache-2.0
"""What was removed from a session stands in two places; the later of them is believed."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from snoop_format.errors import FormatError
from snoop_format.summary import SUMMARY, SUMMARY_FILE, Dropped, read_dropped, write_summary

ONE = Dropped(1, 10, 9, 1000, 1, 0, 9, "2026-01-01T00:00:01Z", "2026-01-01T00:00:02Z")
EMPTY = Dropped(segments=1, bytes=10, last_segment=2)
THIRD = Dropped(1, 5, 5, 500, 3, 10, 14, "2026-01-01T00:00:00Z", "2026-01-01T00:00:03Z")
ROW = {"path": "/a", "count": 9, "ret": -2, "path_bytes": b"/a\xff"}


def test_counts_add_up_and_ranges_widen() -> None:
    both = ONE.and_then(EMPTY).and_then(THIRD)
    times = ("2026-01-01T00:00:00Z", "2026-01-01T00:00:03Z")
    assert both == Dropped(3, 15, 14, 1510, 3, 0, 14, *times)
    assert Dropped().and_then(ONE) == ONE


def test_what_is_written_is_read(tmp_path: Path) -> None:
    write_summary(tmp_path, pa.Table.from_pylist([ROW], SUMMARY), ONE, "s")
    assert read_dropped(tmp_path, {}) == ONE
    table = pq.read_table(tmp_path / SUMMARY_FILE)
    assert table.schema.equals(SUMMARY)
    assert table.to_pylist() == [dict.fromkeys(SUMMARY.names) | ROW]
    assert [file.name for file in tmp_path.iterdir()] == [SUMMARY_FILE]


@pytest.mark.parametrize("in_summary", [ONE, THIRD, None])
@pytest.mark.parametrize("in_session", [ONE, THIRD, None])
def test_the_greater_number_is_believed(
    tmp_path: Path, in_summary: Dropped | None, in_session: Dropped | None
) -> None:
    if in_summary:
        write_summary(tmp_path, SUMMARY.empty_table(), in_summary, "s")
    session = {"dropped": in_session.as_json()} if in_session else {}
    either = [dropped for dropped in (in_summary, in_session) if dropped]
    read = read_dropped(tmp_path, session)
    assert read == max(either, key=lambda dropped: dropped.last_segment, default=Dropped())


@pytest.mark.parametrize("said", [[], "1", 3, {"rows": "1"}, {"rows": -1}, {"first_ts": 3}])
def test_damage_is_refused(tmp_path: Path, said: Any) -> None:
    with pytest.raises(FormatError, match=r"session\.json is damaged: dropped "):
        read_dropped(tmp_path, {"dropped": said})


@pytest.mark.parametrize("content", [b"", b"PAR1", bytes(1000)])
def test_a_damaged_summary_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / SUMMARY_FILE).write_bytes(content)
    with pytest.raises(FormatError, match=r"summary\.parquet"):
        read_dropped(tmp_path, {})
