# SPDX-License-Identifier: Apache-2.0
"""What is a capture, and what is said of one that is not."""

import json
import os
import re
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import date
from decimal import Decimal
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zlib import crc32

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from snoop_analysis import Capture
from snoop_analysis.comparison import difference
from snoop_analysis.errors import CaptureError, OptionError
from snoop_analysis.lookups import failed_lookups
from snoop_analysis.sessions import SKIP
from snoop_format.schema import OPEN_EVENTS
from snoop_format.segment import SegmentWriter
from snoop_format.session import SESSION_FILE, open_name, sealed_name

from .conftest import Event, Record, in_order, segment, write_session


def files(path: Path) -> list[str]:
    (container,) = Capture(path).replay().report().containers
    return container.files


def foreign(directory: Path, table: pa.Table) -> Path:
    """A capture by a program that writes only what it must."""
    directory.mkdir(exist_ok=True)
    said = {"format": 1, "containers": [{"cgroup_id": 1, "name": "app", "cgroup_path": "/"}]}
    (directory / SESSION_FILE).write_text(json.dumps(said))
    pq.write_table(table, directory / sealed_name(1))
    return directory


@pytest.mark.parametrize(
    "table",
    [
        pa.table({"cgroup_id": [1, 1], "path": ["/b", "/a"]}),
        pa.table(
            {
                "cgroup_id": pa.array([1, 1], pa.uint32()),
                "path": pa.array(["/a", "/b"]).dictionary_encode(),
            }
        ),
        pa.table(
            {
                "cgroup_id": [1, 1],
                "path": pa.array(["/a", "/b"], pa.large_string()),
                "extra": [{"a": 1}, None],
            }
        ),
        pa.table({"cgroup_id": [1, 1], "path": pa.array([b"/a", b"/b"], pa.binary())}),
        pa.table({"cgroup_id": [1, 1], "path_bytes": [b"/a", b"/b"]}),
        pa.table({"cgroup_id": [1, 1], "path": pa.nulls(2), "path_bytes": [b"/a", b"/b"]}),
        pa.table(
            {"cgroup_id": [1, 1], "path": ["/a", "/b"], "seq": pa.array([None, None], pa.int64())}
        ),
        pa.table(
            {
                "cgroup_id": [1, 1],
                "path": ["/a", "/b"],
                "ts": pa.array([1, 2], pa.int64()),
                "ret": [0, 1],
            }
        ),
        pa.table(
            {"cgroup_id": [1, 1], "path": ["/a", "/b"], "ts": pa.array([1, 2], pa.timestamp("ns"))}
        ),
        pa.table(
            {
                "cgroup_id": [1, 1],
                "path": ["/a", "/b"],
                "base": pa.nulls(2),
                "comm": [b"x", b"\xff"],
            }
        ),
    ],
    ids=[
        "bare",
        "narrow",
        "large",
        "bytes",
        "bytes only",
        "null text",
        "no seq",
        "integer time",
        "nanoseconds",
        "nulls",
    ],
)
def test_writers_differ(tmp_path: Path, table: pa.Table) -> None:
    capture = Capture(foreign(tmp_path, table))
    (container,) = capture.replay().report().containers
    assert container.files == ["/a", "/b"]
    assert len(capture.events.fetchall()) == 2


def test_without_seq_the_order_is_that_of_the_file(tmp_path: Path) -> None:
    names = [f"/{n % 100}" for n in range(5000)]
    path = foreign(tmp_path, pa.table({"cgroup_id": [1] * 5000, "path": names}))
    (container,) = Capture(path).replay(max_unique_files=99).report().containers
    assert container.evicted == 5000 - 99
    assert sorted(container.files) == sorted(f"/{n}" for n in range(1, 100))


@pytest.mark.parametrize("statistics", [True, False, ["seq"]])
@pytest.mark.parametrize("at", [0, 1, 4])
def test_exact_bytes_in_one_of_many_rows(tmp_path: Path, at: int, statistics: Any) -> None:
    columns: dict[str, list[Any]] = {
        "path": [f"p{n}" for n in range(5)],
        "base": ["/srv"] * 5,
        "path_bytes": [None] * 5,
        "base_bytes": [None] * 5,
    }
    foreign(tmp_path, pa.table({"cgroup_id": [1], "path": ["/other"]}))
    columns["path_bytes"][at] = b"\xff"
    columns["base_bytes"][at] = b"/\xfe"
    table = pa.table({"cgroup_id": [1] * 5, **columns})
    pq.write_table(table, tmp_path / sealed_name(2), row_group_size=2, write_statistics=statistics)
    expected = {"/other", "/\\xfe/\\xff", *(f"/srv/p{n}" for n in range(5) if n != at)}
    assert set(files(tmp_path)) == expected


def test_exact_bytes_in_a_dictionary(tmp_path: Path) -> None:
    columns = {
        "path": pa.array([b"\xff", b"a"]).dictionary_encode(),
        "base": pa.array([b"/\xfe", b"/srv"]).dictionary_encode(),
    }
    path = foreign(tmp_path, pa.table({"cgroup_id": [1, 1], **columns}))
    assert set(files(path)) == {"/srv/a", "/\\xfe/\\xff"}


def test_session_directory_and_the_directory_above(tmp_path: Path) -> None:
    path = write_session(tmp_path / "s", [{"path": "/a"}])
    assert files(path) == files(tmp_path) == ["/a"]


def test_a_directory_name_is_no_pattern(tmp_path: Path) -> None:
    odd = tmp_path / "seq=5" / "a[1]*?'"
    odd.parent.mkdir()
    assert files(write_session(odd, [{"path": "/a"}])) == ["/a"]


def write_open(path: Path, events: list[Event], first_seq: int) -> None:
    """An open segment as its writer leaves it when it dies: whole, but without an end."""
    writer = SegmentWriter(path.with_suffix(".whole"))
    (batch,) = segment(events, first_seq).cast(OPEN_EVENTS).to_batches()
    writer.write(batch)
    path.write_bytes(writer.path.read_bytes())
    writer.close()


def write_in_commits(path: Path, sizes: Sequence[int], first_seq: int) -> list[int]:
    """Likewise with a commit for each of ``sizes``; the file's size after each of them."""
    writer = SegmentWriter(path)
    ends = []
    for size in sizes:
        events = [{"path": f"/{n}"} for n in range(size)]
        (batch,) = segment(events, first_seq + writer.rows).cast(OPEN_EVENTS).to_batches()
        writer.write(batch)
        ends.append(writer.bytes)
    writer.abandon()
    return ends


def write_foreign_open(path: Path, table: pa.Table) -> None:
    """An open segment by a program with columns of its own: one commit."""
    (batch,) = table.combine_chunks().to_batches()
    file = BytesIO()
    with pa.ipc.new_stream(file, table.schema) as stream:
        stream.write_batch(batch)
        written = file.getvalue()
        metadata = {"snoop.bytes": f"{len(written)}", "snoop.crc32": f"{crc32(written)}"}
        stream.write_batch(batch.slice(0, 0), custom_metadata=metadata)
    path.write_bytes(file.getvalue())


EXTRA = [
    ("file_row_number", [5, 4]),
    ("FILE_ROW_NUMBER", ["x", "y"]),
    ("rowid", [5, 4]),
    ("rowid", ["x", "y"]),
    ("file_index", [1, 1]),
    ("Path", ["/x", "/y"]),
    ("0", ["/x", "/y"]),
    ("extra", pa.array([1, 2], pa.float16())),
    ("extra", pa.array([Decimal(1), Decimal(2)], pa.decimal256(50, 0))),
]


@pytest.mark.parametrize(("name", "values"), EXTRA)
def test_columns_that_are_not_known_are_ignored(tmp_path: Path, name: str, values: Any) -> None:
    table = pa.table({"path": ["/b", "/a"], "cgroup_id": [1, 1], name: values})
    path = foreign(tmp_path, table)
    write_foreign_open(path / open_name(2), table)
    results = Capture(path).replay().results
    assert in_order(results, "file") == ["/b", "/a"] * 2
    assert in_order(results, "result") == ["new"] * 2 + ["duplicate"] * 2


@pytest.mark.parametrize(
    ("seqs", "order"),
    [
        ([0, 1, None], ["/0", "/1", "/2"]),
        ([0, None, 2], ["/0", "/1", "/2"]),
        ([None, None, None], ["/0", "/1", "/2"]),
        ([2, 0, 1], ["/1", "/2", "/0"]),
        ([2.0, 0.0, 1.0], ["/1", "/2", "/0"]),
    ],
)
def test_seq_of_an_open_segment_is_as_it_is(
    tmp_path: Path, seqs: list[Any], order: list[str]
) -> None:
    names = [f"/{n}" for n in range(3)]
    path = foreign(tmp_path, pa.table({"path": names, "cgroup_id": [1] * 3, "seq": seqs}))
    (path / sealed_name(1)).unlink()
    write_foreign_open(
        path / open_name(1), pa.table({"path": names, "cgroup_id": [1] * 3, "seq": seqs})
    )
    replay = Capture(path).replay()
    assert in_order(replay.results, "file") == order
    assert in_order(replay.results, "result") == ["new"] * 3
    assert replay.report().completeness.complete


def test_a_type_that_cannot_be_read(tmp_path: Path) -> None:
    path = foreign(tmp_path, pa.table({"path": ["/a"], "cgroup_id": [1]}))
    table = pa.table({"path": ["/b"], "seq": pa.array([1], pa.float16())})
    write_foreign_open(path / open_name(2), table)
    sentence = f"{path / open_name(2)} cannot be read: Unsupported Internal Arrow Type"
    with pytest.raises(CaptureError, match=sentence):
        Capture(path)
    completeness = Capture(path, skip_damaged=True).replay().report().completeness
    assert completeness.left_out[0].startswith(sentence)


def test_the_open_segment_counts(record: Record) -> None:
    path = record([{"path": "/sealed"}])
    write_open(path / open_name(2), [{"path": "/open"}], 1)
    with (path / open_name(2)).open("ab") as file:
        file.write(b"torn")
    report = Capture(path).replay().report()
    assert report.containers[0].files == ["/open", "/sealed"]
    assert report.completeness.torn_bytes == 4
    assert not report.completeness.complete


def test_a_sealed_segment_comes_before_its_open_self(record: Record) -> None:
    path = record([{"path": "/sealed"}])
    write_open(path / open_name(1), [{"path": "/open"}], 0)
    assert files(path) == ["/sealed"]


def empty(path: Path) -> None:
    (path / sealed_name(1)).write_bytes(b"")


def cut(path: Path) -> None:
    file = path / sealed_name(1)
    file.write_bytes(file.read_bytes()[:-100])


def not_a_capture(path: Path) -> None:
    pq.write_table(pa.table({"x": [1]}), path / sealed_name(1))


def odd_column(path: Path) -> None:
    pq.write_table(pa.table({"path": ["/a"], "cgroup_id": ["one"]}), path / sealed_name(1))


def session_json(text: str) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        (path / SESSION_FILE).write_text(text)

    return write


@pytest.mark.parametrize(
    ("damage", "file", "sentence"),
    [
        (empty, sealed_name(1), "it is empty"),
        (cut, sealed_name(1), "damaged or cut short"),
        (not_a_capture, sealed_name(1), "not of a capture"),
        (odd_column, sealed_name(1), "column cgroup_id is of type string"),
        (session_json("{"), SESSION_FILE, "is damaged"),
        (session_json("[]"), SESSION_FILE, "does not say which capture format"),
        (session_json('{"format": 2}'), SESSION_FILE, "use a newer snoop"),
        (session_json('{"format": 1, "containers": 5}'), SESSION_FILE, "not a list"),
        (session_json('{"format": 1, "containers": [{}]}'), SESSION_FILE, "no cgroup_id"),
        (session_json('{"format": 1, "losses": {"x": "y"}}'), SESSION_FILE, "counts by cause"),
        (lambda path: (path / SESSION_FILE).unlink(), "", "has no session.json"),
    ],
)
def test_damage(record: Record, damage: Callable[[Path], Any], file: str, sentence: str) -> None:
    path = record([{"path": "/a"}])
    damage(path)
    with pytest.raises(CaptureError, match=sentence) as caught:
        Capture(path)
    assert str(path / file) in str(caught.value)


def says(path: Path, said: dict[str, Any]) -> Path:
    """``path``, a session whose ``session.json`` says that, too."""
    file = path / SESSION_FILE
    file.write_text(json.dumps(json.loads(file.read_text()) | said))
    return path


NO_COUNTS: list[Any] = [-4, "many", "", 1 << 63, 0.5, True, False, []]


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        *[
            ({name: value}, f"{name} is not a whole number from 0 to {(1 << 63) - 1}")
            for name in ("left_running", "moved_out")
            for value in NO_COUNTS
        ],
        ({"io_uring": {"recorded": False, "rings": 1 << 70}}, "io_uring.rings is not a whole"),
        ({"io_uring": {"recorded": False, "rings": "1"}}, "io_uring.rings is not a whole number"),
        ({"io_uring": {"recorded": "no", "rings": 1}}, "io_uring.recorded is neither true nor fal"),
        ({"io_uring": 1}, "io_uring is not a table"),
        ({"defects": {"result_lost": "3"}}, "defects is not a table of counts by cause"),
        ({"defects": {"result_lost": -3}}, "defects is not a table of counts by cause"),
        ({"defects": [3]}, "defects is not a table of counts by cause"),
        ({"losses": []}, "losses is not a table of counts by cause"),
        ({"ended_at": ""}, "ended_at is not a time like 2026-01-31T12:00:00Z"),
        ({"ended_at": "soon"}, "ended_at is not a time like"),
        ({"ended_at": 5}, "ended_at is not a time like"),
        ({"ended_at": False}, "ended_at is not a time like"),
        ({"containers": ""}, "containers is not a list of tables"),
        ({"containers": [{"cgroup_id": -1}]}, "containers[0].cgroup_id is not a whole number"),
        (
            {"containers": [{"cgroup_id": 1, "running": "2"}]},
            "containers[0].running is not a whole number",
        ),
        ({"segments": {}}, "segments is not a list of tables"),
        ({"segments": ["events-00000001.parquet"]}, "segments is not a list of tables"),
        ({"segments": [{"rows": 1}]}, "segments[0].file is no segment"),
        ({"segments": [{"file": "events-1.parquet", "rows": 1}]}, "segments[0].file is no segment"),
        ({"segments": [{"file": f"events-{'1' * 5000}.parquet"}]}, "segments[0].file is no segme"),
        *[
            ({"segments": [{"file": sealed_name(1), name: value}]}, f"segments[0].{name} is not a")
            for name in ("rows", "crc32", "bytes", "first_seq", "last_seq")
            for value in (-1, "1", 1 << 64, True)
        ],
    ],
)
def test_a_field_that_cannot_be_is_damage(
    record: Record, said: dict[str, Any], sentence: str
) -> None:
    path = says(record([{"path": "/a"}]), said)
    sentence = f"{path / SESSION_FILE} is damaged: {sentence}"
    with pytest.raises(CaptureError, match=re.escape(sentence)):
        Capture(path)
    (left_out,) = Capture(path, skip_damaged=True).left_out
    assert left_out.startswith(sentence)


def test_null_is_as_good_as_absent(record: Record) -> None:
    names = ("left_running", "moved_out", "io_uring", "defects", "losses", "segments", "dropped")
    path = says(record([{"path": "/a"}]), dict.fromkeys(names))
    assert Capture(path).replay().report().completeness.complete
    path = record([{"path": "/a"}], io_uring={"recorded": None, "rings": None})
    assert Capture(path).replay().report().completeness.complete


def test_segments_numbered_as_no_recorder_does(record: Record) -> None:
    """To name all that are missing would take all memory."""
    listed = [{"file": sealed_name(number)} for number in (1, 99_999_999)]
    path = says(record([{"path": "/a"}]), {"segments": listed})
    with pytest.raises(CaptureError, match="and it has only 1 of them"):
        Capture(path)
    assert Capture(path, skip_damaged=True).left_out


def test_a_listed_segment_is_missing_whatever_else_is_said_of_it(record: Record) -> None:
    listed = [{"file": sealed_name(number)} for number in (1, 2)]
    path = says(record([{"path": "/a"}]), {"segments": listed})
    with pytest.raises(CaptureError, match="lacks segment 2"):
        Capture(path)


@pytest.mark.parametrize("damage", [empty, cut, not_a_capture, odd_column])
def test_skip_damaged(record: Record, damage: Callable[[Path], Any]) -> None:
    path = record([{"path": f"/{n}"} for n in range(4)], segments=2)
    damage(path)
    capture = Capture(path, skip_damaged=True)
    report = capture.replay().report()
    assert report.containers[0].files == ["/2", "/3"]
    (sentence,) = report.completeness.left_out
    assert str(path / sealed_name(1)) in sentence
    assert not report.completeness.complete


def test_skip_damaged_sessions(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        write_session(tmp_path / name, [{"path": f"/{name}"}], boot_id="1")
    (tmp_path / "a" / SESSION_FILE).write_text("{")
    (tmp_path / "b" / SESSION_FILE).write_text('{"format": 99}')
    report = Capture(tmp_path, skip_damaged=True).replay().report()
    assert [one.files for one in report.containers] == [["/c"]]
    assert len(report.completeness.left_out) == 2


@pytest.fixture
def open_directory() -> Iterator[Path]:
    """A directory that every user may enter."""
    with TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        yield Path(directory)


@contextmanager
def without_root() -> Iterator[None]:
    """As a user that file modes bind; root is not."""
    own = os.geteuid()
    if own == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(own)


ALLOW = (
    "Permission denied; if it belongs to another user, read it with sudo, "
    "or let that user give it away with chown -R, or chmod -R a+rX"
)


@pytest.mark.parametrize("closed", ["", "a", f"a/{SESSION_FILE}", f"a/{sealed_name(1)}"])
def test_a_capture_of_another_user(open_directory: Path, closed: str) -> None:
    """Going on without it makes sense where there are others alone."""
    capture = open_directory / "capture"
    write_session(capture / "a", [{"path": "/a"}])
    (capture / closed).chmod(0)
    with without_root(), pytest.raises(CaptureError) as alone:
        Capture(capture)
    assert str(alone.value) == f"cannot read {capture / closed}: {ALLOW}"
    if closed:
        write_session(capture / "b", [{"path": "/b"}])
        with without_root(), pytest.raises(CaptureError) as beside_another:
            Capture(capture)
        assert str(beside_another.value) == f"{alone.value}; {SKIP}"
    capture.chmod(0o700)
    (capture / closed).chmod(0o700)


def test_skip_damaged_pages(record: Record) -> None:
    path = record([{"path": f"/{n}" * 20} for n in range(5000)], segments=2)
    overwrite(path / sealed_name(2))
    report = Capture(path, skip_damaged=True).replay().report()
    assert len(report.containers[0].files) == 2500
    assert "is damaged" in report.completeness.left_out[0]


def overwrite(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[100:5000] = bytes(4900)
    file.write_bytes(data)


def test_damaged_pages_are_a_sentence_too(record: Record) -> None:
    path = record([{"path": f"/{n}" * 20} for n in range(5000)])
    overwrite(path / sealed_name(1))
    with pytest.raises(CaptureError, match="is damaged"):
        Capture(path).replay()


@pytest.mark.parametrize("kind", ["missing", "empty", "file"])
def test_no_capture(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "there"
    if kind == "empty":
        path.mkdir()
    if kind == "file":
        path.write_text("x")
    with pytest.raises(CaptureError, match=str(path)):
        Capture(path)


def test_a_recording_without_events(tmp_path: Path) -> None:
    report = Capture(write_session(tmp_path, [])).replay().report()
    assert (report.total_events, report.containers[0].files) == (0, [])


def test_events_have_what_people_ask_for(record: Record) -> None:
    capture = Capture(
        record([{"path": "x", "base": "/b/", "ret": -2}, {"path": "", "cgroup_id": 9}])
    )
    columns = "file, found, errno_name, program, container"
    assert capture.query(f"SELECT {columns} FROM events ORDER BY seq").fetchall() == [
        ("/b/x", False, "ENOENT", "app", "app"),
        ("", True, None, "app", None),
    ]


@pytest.mark.parametrize(
    "sql", ["SELECT nothing FROM nowhere", "SELECT nothing FROM events", "SELEC 1"]
)
def test_query_errors_are_ours(sql: str) -> None:
    capture = Capture.sample()
    for query in (capture.query, capture.replay().query):
        with pytest.raises(CaptureError, match=r"the query failed: [^\n]*$"):
            query(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "COPY (SELECT 1) TO '{}'",
        "COPY (PIVOT events ON syscall) TO '{}'",
        "ATTACH '{}'",
        "EXPORT DATABASE '{}'",
        "EXPLAIN ANALYZE COPY (SELECT 1) TO '{}'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET threads = 1",
        "DELETE FROM containers",
        "CREATE TABLE x AS SELECT 1",
        "SELECT 1; DELETE FROM containers",
        "WITH a AS (COPY (SELECT 1) TO '{}') FROM a",
        "SELECT * FROM (WITH a AS (DELETE FROM containers RETURNING *) FROM a)",
        "WITH a AS (INSERT INTO losses VALUES (0, 'x', 1) RETURNING *) FROM a",
        "COPY --;\n (PIVOT (SELECT path, found FROM events) ON found USING count(*)) TO '{}'",
        "PIVOT events ON syscall USING count(*)",
        "FROM enable_logging(level='debug', storage='file', storage_path='{}')",
        "FROM query('WITH a AS (COPY (SELECT 1) TO ''{}'') FROM a')",
        "",
    ],
)
def test_a_query_writes_nothing(tmp_path: Path, sql: str) -> None:
    capture = Capture.sample()
    target = tmp_path / "target"
    for query in (capture.query, capture.replay().query):
        with pytest.raises(OptionError, match="a query is one SELECT statement"):
            query(sql.format(target))
    assert not target.exists()
    assert len(capture.containers.fetchall()) == 1


@pytest.mark.parametrize(
    "sql",
    [
        "FROM losses",
        "WITH a AS (SELECT 1) FROM a",
        "VALUES (1)",
        "DESCRIBE events;",
        "SUMMARIZE events",
        "PIVOT events ON found IN (true, false) USING count(*) GROUP BY comm; -- by name",
        "WITH RECURSIVE n AS (SELECT 1 AS i UNION SELECT i + 1 FROM n WHERE i < 3) FROM n",
        "FROM range(3)",
    ],
)
def test_what_is_a_select_by_another_word(sql: str) -> None:
    Capture.sample().query(sql).fetchall()


def test_what_was_closed_says_so() -> None:
    capture = Capture.sample()
    replay = capture.replay()
    closed = capture.replay()
    closed.close()
    with pytest.raises(CaptureError, match="it was closed"):
        _ = closed.files
    capture.close()
    for ask in (
        lambda: capture.query("SELECT 1"),
        lambda: capture.events,
        capture.replay,
        lambda: replay.files,
        replay.report,
        lambda: replay.breakdown("file"),
    ):
        with pytest.raises(CaptureError, match="it was closed"):
            ask()
    replay.close()
    capture.close()


def test_threads_share_a_capture() -> None:
    capture = Capture.sample()
    replay = capture.replay(max_unique_files=9)
    found = capture.replay(found_only=True)

    def answers(_: int) -> tuple[int, ...]:
        own = capture.replay(max_unique_files=9)
        asked = failed_lookups(replay), difference(replay, found), replay.results, own.files
        counts = tuple(len(one.fetchall()) for one in asked)
        own.close()
        return counts

    with ThreadPoolExecutor(4) as threads:
        (counts,) = set(threads.map(answers, range(12)))
    assert counts == answers(0)


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("exclude", "/proc/", r"exclude is a list: write exclude=\['/proc/'\]"),
        ("syscalls", "openat", r"syscalls is a list: write syscalls=\['openat'\]"),
        ("containers", "app", r"containers is a list: write containers=\['app'\]"),
        ("containers", 1, r"containers is a list: write containers=\[1\]"),
        ("exclude", [b"/proc/"], "exclude has b'/proc/', which is no str"),
    ],
)
def test_a_list_is_a_list(name: str, value: Any, sentence: str) -> None:
    with pytest.raises(OptionError, match=sentence):
        Capture.sample().replay(**{name: value})


A_TIME = "which is no time; write it as 2026-01-31T12:00:00Z"


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"exclude": None}, r"exclude is a list, and not None: write exclude=\[\] for none"),
        ({"syscalls": 1.5}, "syscalls is a list, and not 1.5"),
        ({"max_unique_files": "a"}, "max_unique_files is a whole number, and not 'a'"),
        ({"max_unique_files": 1.5}, "max_unique_files is a whole number, and not 1.5"),
        ({"max_unique_files": True}, "max_unique_files is a whole number, and not True"),
        ({"since": 5}, f"since is 5, {A_TIME}"),
        ({"since": "today"}, f"since is 'today', {A_TIME}"),
        ({"until": date(2026, 1, 1)}, f"until is datetime.date.*, {A_TIME}"),
        ({"state": "x"}, "state is what Replay.state gives, and not 'x'"),
    ],
)
def test_settings_of_a_wrong_kind(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(OptionError, match=sentence):
        Capture.sample().replay(**settings)


def test_numbers_of_numpy_are_numbers() -> None:
    nine: Any = np.int64(9)
    report = Capture.sample().replay(max_unique_files=nine).report()
    assert json.loads(json.dumps(report.as_dict()))["settings"]["max_unique_files"] == 9


@pytest.mark.parametrize("paths", [(), ([],), ([], [])])
def test_no_path_is_no_capture(paths: tuple[Any, ...]) -> None:
    with pytest.raises(CaptureError, match="no capture is given: name the directory of a session"):
        Capture(*paths)


@pytest.mark.parametrize("path", [None, 3, b"/capture", [None], ["/capture", 3]])
def test_a_path_is_a_path(path: Any) -> None:
    with pytest.raises(OptionError, match="a capture is named by a path, and not by "):
        Capture(path)


def test_what_is_no_query_key_or_replay() -> None:
    capture: Any = Capture.sample()
    replay = capture.replay()
    for ask, sentence in (
        (lambda: capture.query(None), "a query is one SELECT statement, as text, and not None"),
        (lambda: replay.query(3), "a query is one SELECT statement, as text, and not 3"),
        (lambda: replay.breakdown(None), "a key of a breakdown is text, and not None"),
        (lambda: replay.breakdown(["syscall"]), r"a key of a breakdown is text, and not \['sysc"),
        (lambda: difference(capture, capture), "is between two replays, and not Capture: "),
        (lambda: difference(replay, capture), "is between two replays, and not Capture: "),
    ):
        with pytest.raises(OptionError, match=sentence):
            ask()


def test_what_a_picture_is_saved_as(tmp_path: Path, record: Record) -> None:
    path = record([{"path": "/a"}])
    picture: Any = Capture(path).plot.syscalls()
    formats = "is no format of a picture; there are .html, .json, .pdf, .png, .svg"
    for name in ("o.foo", "o"):
        with pytest.raises(OptionError, match=f"the end of {tmp_path / name} {formats}"):
            picture.save(tmp_path / name)
    with pytest.raises(OptionError, match=f"'foo' {formats}"):
        picture.save(tmp_path / "o.svg", format="foo")
    with pytest.raises(OptionError, match="would be a file of the capture"):
        picture.save(str(path / SESSION_FILE))
    picture.save(str(tmp_path / "o.svg"))
    picture.save(tmp_path / "o", "json")
    assert (tmp_path / "o.svg").read_text().startswith("<svg")
    assert json.loads((tmp_path / "o").read_text()) == picture.to_dict()


def test_two_sessions(tmp_path: Path) -> None:
    same_boot: dict[str, Any] = {"boot_id": "b", "host": "h"}
    first: dict[str, Any] = {
        "started_at": "2026-01-02T00:00:00Z",
        "losses": {"ring_full": 2},
        **same_boot,
    }
    second: dict[str, Any] = {
        "started_at": "2026-01-01T00:00:00Z",
        "losses": {"ring_full": 3},
        **same_boot,
    }
    write_session(tmp_path / "a", [{"path": "/x"}, {"path": "/y"}], **first)
    write_session(tmp_path / "b", [{"path": "/y"}, {"path": "/z"}], **second)
    replay = Capture(tmp_path).replay(max_unique_files=2)
    report = replay.report()
    assert [one.files for one in report.containers] == [["/x", "/y"]]
    assert (report.containers[0].new, report.evictions, report.dropped_events) == (4, 2, 5)
    assert report.started_at == "2026-01-01T00:00:00Z"
    got = replay.results.order("session_no, seq").project("result").fetchall()
    assert len(got) == 4


def test_cgroup_ids_of_different_boots_are_different_containers(tmp_path: Path) -> None:
    write_session(tmp_path / "a", [{"path": "/x"}], boot_id="1")
    write_session(tmp_path / "b", [{"path": "/x"}], boot_id="2")
    report = Capture(tmp_path).replay().report()
    assert [one.files for one in report.containers] == [["/x"], ["/x"]]


def test_a_copy_of_a_session_is_refused(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_session(tmp_path / name, [{"path": "/x"}], session_id="one")
    with pytest.raises(CaptureError, match="are the same session one"):
        Capture(tmp_path)
    report = Capture(tmp_path, skip_damaged=True).replay().report()
    assert report.total_events == 1


def test_roots_lists_and_patterns(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_session(tmp_path / name, [{"path": f"/{name}"}], boot_id="1")
    wanted = [["/a", "/b"]]
    for given in ([tmp_path / "a", tmp_path / "b"], [tmp_path, tmp_path / "a"], [tmp_path / "*"]):
        for capture in (Capture(given), Capture(*given)):
            assert [one.files for one in capture.replay().report().containers] == wanted


def test_segment_shorter_than_listed(record: Record) -> None:
    listed = [{"file": sealed_name(1), "rows": 2}]
    with pytest.raises(CaptureError, match=r"holds 1 events where session\.json says 2"):
        Capture(record_listed(record, listed))


def record_listed(record: Record, listed: list[dict[str, Any]]) -> Path:
    path = record([{"path": "/a"}])
    said = json.loads((path / SESSION_FILE).read_text())
    (path / SESSION_FILE).write_text(json.dumps(said | {"segments": listed}))
    return path


def test_the_last_segment_is_missed_if_listed(record: Record) -> None:
    listed = [{"file": sealed_name(1), "rows": 1}, {"file": sealed_name(2), "rows": 1}]
    with pytest.raises(CaptureError, match="lacks segment 2"):
        Capture(record_listed(record, listed))


def test_no_segment_at_all(record: Record) -> None:
    path = record([])
    (path / sealed_name(1)).unlink()
    with pytest.raises(CaptureError, match="is an empty capture"):
        Capture(path)
    assert Capture(path, skip_damaged=True).replay().report().total_events == 0


def test_the_sample_needs_nothing() -> None:
    (container,) = Capture.sample().replay().report().containers
    assert "/usr/lib/python3.11/json/__init__.py" in container.found_files


@pytest.mark.parametrize(
    ("columns", "containers"),
    [
        ({"cgroup_id": [7, 5], "path": ["/a", "/b"]}, {5: ["/b"], 7: ["/a"]}),
        ({"path": ["/a", "/b"]}, {0: ["/a", "/b"]}),
    ],
)
def test_without_a_list_every_cgroup_is_a_container(
    tmp_path: Path, columns: dict[str, Any], containers: dict[int, list[str]]
) -> None:
    (tmp_path / SESSION_FILE).write_text('{"format": 1}')
    pq.write_table(pa.table(columns), tmp_path / sealed_name(1))
    report = Capture(tmp_path).replay().report()
    assert {one.cgroup_id: one.files for one in report.containers} == containers


def test_an_empty_list_knows_no_container(record: Record) -> None:
    report = Capture(record([{"path": "/a"}], containers=[])).replay().report()
    assert (report.containers, report.completeness.unknown_container_events) == ([], 1)


def test_odd_text_in_session_json(tmp_path: Path) -> None:
    name = "\ud800'; DROP TABLE sessions; --\x00"
    containers = [{"cgroup_id": 1, "name": name, "cgroup_path": name}]
    path = write_session(
        tmp_path / "s", [{"path": "/a"}], session_id=name, host=name, containers=containers
    )
    capture = Capture(path)
    assert capture.replay(containers=[1]).report().containers[0].files == ["/a"]
    assert len(capture.sessions.fetchall()) == 1


def test_a_directory_whose_name_is_not_utf8(tmp_path: Path) -> None:
    path = write_session(tmp_path / "s", [{"path": "/a"}]).rename(tmp_path / "\udcff")
    with pytest.raises(CaptureError, match="is not UTF-8: rename it"):
        Capture(path)


@pytest.mark.parametrize("name", ["d*", "e?", "[a]f", r"g\a"])
def test_a_directory_whose_name_looks_like_a_pattern(tmp_path: Path, name: str) -> None:
    path = write_session(tmp_path / name, [{"path": "/a"}])
    for other in ("da", "ea", "af", "g/a"):
        write_session(tmp_path / other, [{"path": "/b"}])
    assert Capture(path).replay().report().containers[0].files == ["/a"]


def test_a_directory_whose_name_duckdb_cannot_read(tmp_path: Path) -> None:
    path = write_session(tmp_path / r"a\*", [{"path": "/a"}])
    with pytest.raises(CaptureError, match=r"has a backslash and one of .* rename it"):
        Capture(path)


def test_too_little_memory_is_no_damage(record: Record) -> None:
    path = record([{"path": "/" + "x" * 40_000_000}])
    with pytest.raises(OptionError, match="not enough memory"):
        Capture(path, memory_limit="32MiB").replay()
    with pytest.raises(OptionError, match="memory_limit cannot be 'much'"):
        Capture(path, memory_limit="much")


def test_what_does_not_fit_goes_to_the_disk(record: Record, tmp_path: Path) -> None:
    path = record([{"path": f"/{n}" * 10} for n in range(200_000)])
    capture = Capture(path, memory_limit="60MB", temporary=tmp_path / "spill")
    assert capture.replay().report().containers[0].unique_files == 200_000


def test_a_pattern_that_matches_files_alone(tmp_path: Path) -> None:
    write_session(tmp_path / "a", [{"path": "/a"}])
    with pytest.raises(CaptureError, match="it matches no directory"):
        Capture(tmp_path / "a" / "*.json")
    assert len(Capture(tmp_path / "*").sessions_found) == 1
