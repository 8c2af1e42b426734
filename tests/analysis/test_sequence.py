# SPDX-License-Identifier: Apache-2.0
"""Events that are missing or there twice, by their seq."""

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from snoop_analysis import Capture
from snoop_analysis.errors import CaptureError
from snoop_analysis.replay import Replay
from snoop_analysis.sequence import Sequence, rows_before_positions, sequence
from snoop_analysis.verification import verify
from snoop_format.session import SESSION_FILE, open_name, sealed_name

from .conftest import Record
from .test_capture import overwrite, write_foreign_open


def write(directory: Path, segments: list[list[Any]], last_removed: int | None, **how: Any) -> Path:
    """A session whose segments have these seqs; the last one is open where ``open`` is true."""
    tables = [pa.table({"path": ["/a"] * len(seqs), "seq": seqs}) for seqs in segments]
    first = 1 if last_removed is None else 2
    last_is_open = how.pop("open", False)
    for number, table in enumerate(tables, first):
        if last_is_open and table is tables[-1]:
            write_foreign_open(directory / open_name(number), table)
        else:
            pq.write_table(table, directory / sealed_name(number), **how)
    said: dict[str, Any] = {"format": 1, "session_id": "s"}
    if last_removed is not None:
        dropped = {"segments": 1, "last_segment": 1, "last_seq": last_removed, "rows": 1}
        said["dropped"] = dropped
    (directory / SESSION_FILE).write_text(json.dumps(said))
    return directory


@pytest.mark.parametrize("how", [{}, {"open": True}])
@pytest.mark.parametrize(
    ("segments", "last_removed", "missing", "repeated"),
    [
        ([[0, 1, 2, 3]], None, 0, 0),
        ([[7, 8], [9, 10]], None, 0, 0),
        ([[2, 3], [0, 1]], None, 0, 0),
        ([[3, 1, 0, 2]], None, 0, 0),
        ([[0, 2], [1, 3]], None, 0, 0),
        ([[0, 1, 2, 2, 4]], None, 1, 1),
        ([[0, 2, 2, 2, 4]], None, 2, 2),
        ([[0, 1], [5, 6]], None, 3, 0),
        ([[0, 2], [2, 3]], None, 1, 1),
        ([[0.0, 1.0], [5.0, 6.0]], None, 3, 0),
        ([[5, 6], [7]], 4, 0, 0),
        ([[10, 11]], 4, 5, 0),
        ([[11, 10]], 4, 5, 0),
        ([[4, 5]], 4, 0, 1),
    ],
)
def test_sequence(
    tmp_path: Path,
    segments: list[list[Any]],
    last_removed: int | None,
    missing: int,
    repeated: int,
    how: dict[str, Any],
) -> None:
    capture = Capture(write(tmp_path, segments, last_removed, **how))
    assert sequence(capture, 0) == Sequence(missing, repeated)


def test_without_bounds_all_is_read(tmp_path: Path) -> None:
    capture = Capture(write(tmp_path, [[0, 1], [5, 6, 6]], None, write_statistics=False))
    assert sequence(capture, 0) == Sequence(missing=3, repeated=1)


def test_reports_and_verify_say_the_same(tmp_path: Path) -> None:
    path = write(tmp_path, [[6, 7, 7, 9]], 4)
    said = Capture(path).replay().report().completeness
    assert (said.complete, said.missing_events, said.repeated_events) == (False, 2, 1)
    findings, sound = verify([str(path)])
    said_of_seq = [finding for _, what, finding in findings.fetchall() if what == "seq"]
    assert said_of_seq == [
        "1 sequence numbers stand twice",
        "2 events are missing from the sequence",
    ]
    assert not sound


def test_without_seq_nothing_is_known(tmp_path: Path) -> None:
    path = write(tmp_path, [[10, 11]], 4)
    pq.write_table(pa.table({"path": ["/a"]}), path / sealed_name(3))
    assert sequence(Capture(path), 0) == Sequence()


def outcomes(replay: Replay) -> list[dict[str, int]]:
    """How many events are new and duplicate, wherever a replay says so."""
    (counted,) = replay.stats.filter("container_no IS NULL").project("new, duplicate").fetchall()
    results = Counter(result for (result,) in replay.results.project("result").fetchall())
    by_result = dict(replay.breakdown("result").project("result, events").fetchall())
    return [dict(zip(("new", "duplicate"), counted, strict=True)), dict(results), by_result]


@pytest.mark.parametrize("bound", [0, 1, 2, 4])
@pytest.mark.parametrize("segments", [1, 3])
def test_of_events_with_one_seq_only_those_are_new_that_count_as_new(
    record: Record, bound: int, segments: int
) -> None:
    events = [{"path": f"/{n * n % 5 % 3}", "seq": n // 7, "tid": n} for n in range(60)]
    replay = Capture(record(events, segments)).replay(max_unique_files=bound)
    counted, *said = outcomes(replay)
    assert said == [counted] * 2
    assert sorted(replay.results.fetchall()) == sorted(replay.results.fetchall())
    if not bound:
        new = replay.results.filter("result = 'new'").project("file, seq").order("file")
        assert new.fetchall() == [("/0", 0), ("/1", 0)]


@pytest.mark.parametrize("bound", [0, 1])
def test_places_may_be_the_seq_of_other_events(tmp_path: Path, bound: int) -> None:
    path = write(tmp_path, [[0, 1], [0, 1]], None)
    pq.write_table(pa.table({"path": ["/a", "/b"]}), path / sealed_name(1))
    counted, *said = outcomes(Capture(path).replay(max_unique_files=bound))
    assert said == [counted] * 2


def test_damage_is_a_sentence(record: Record) -> None:
    path = record([{"path": f"/{n}" * 20} for n in range(5000)])
    capture = Capture(path)
    overwrite(path / sealed_name(1))
    (session,) = capture.sessions_found
    for ask in (
        lambda: sequence(capture, 0),
        lambda: rows_before_positions(capture, {session.key: 2500}),
    ):
        with pytest.raises(CaptureError, match="is damaged"):
            ask()


@pytest.mark.parametrize(
    ("seqs", "how"),
    [
        ([-2, -1], {}),
        ([-1, 0, 1], {}),
        ([-1, None], {}),
        ([-2, -1], {"write_statistics": False}),
        ([-2.0, -1.0], {}),
        ([-2, -1], {"open": True}),
        ([-2, None], {"open": True}),
        ([-2.0, -1.0], {"open": True}),
    ],
)
def test_a_negative_seq_is_damage(tmp_path: Path, seqs: list[Any], how: dict[str, Any]) -> None:
    path = write(tmp_path, [[0, 1], seqs], None, **how)
    name = open_name(2) if "open" in how else sealed_name(2)
    sentence = f"{path / name} is damaged: an event has the seq {seqs[0]}, which is negative"
    with pytest.raises(CaptureError, match=re.escape(sentence)):
        Capture(path).replay()
    capture = Capture(path, skip_damaged=True)
    assert capture.replay().report().total_events == 2
    assert capture.left_out == [sentence]
    findings, sound = verify([str(path)])
    assert not sound
    assert ("", "damage", sentence) in findings.fetchall()
