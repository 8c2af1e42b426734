# SPDX-License-Identifier: Apache-2.0
"""The subcommands."""

import csv
import errno
import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from snoop_analysis import Capture, compaction
from snoop_analysis.cli import COMMANDS, cli
from snoop_analysis.errors import AnalysisError, CaptureError
from snoop_format.session import (
    SESSION_FILE,
    open_name,
    sealed_name,
    segment_entry,
    segments,
)

from .conftest import Record, write_session
from .summaries import remove_segments
from .test_capture import write_in_commits, write_open

ENDED: dict[str, Any] = {"started_at": "2026-01-01T00:00:00Z", "ended_at": "2026-01-01T01:00:00Z"}
EVENTS = [{"path": f"/{n % 4}", "ret": -2 if n % 4 == 3 else 0} for n in range(10)]


def run(*arguments: object) -> Result:
    """A command in this process: quicker, and errors show where they come from."""
    return CliRunner().invoke(cli, [str(one) for one in arguments])


def rows(*arguments: object) -> list[dict[str, Any]]:
    done = run(*arguments, "--json")
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    assert isinstance(said, list)
    return said


@pytest.mark.parametrize("name", COMMANDS)
def test_help_has_an_example(name: str) -> None:
    text = run(name, "--help").stdout
    assert run(name, "-h").stdout == text
    assert "Example" in text
    assert f"snoop-analyze {'' if name == 'report' else name + ' '}" in text


def test_files(record: Record) -> None:
    got = rows("files", record(EVENTS), "--found-only")
    assert [(row["path"], row["events"], row["syscalls"]) for row in got] == [
        ("/0", 3, ["openat"]),
        ("/1", 3, ["openat"]),
        ("/2", 2, ["openat"]),
    ]


def test_sessions_and_losses(tmp_path: Path) -> None:
    write_session(tmp_path / "a", EVENTS, losses={"ring_full": 4}, **ENDED)
    write_session(tmp_path / "b", EVENTS[:2])
    assert [(row["session_id"], row["rows"]) for row in rows("sessions", tmp_path)] == [
        ("b", 2),
        ("a", 10),
    ]
    assert [(row["cause"], row["events"]) for row in rows("losses", tmp_path)] == [("ring_full", 4)]


def test_csv_and_parquet(record: Record, tmp_path: Path) -> None:
    path = record(EVENTS)
    done = run(path, "--by", "file", "--csv")
    assert [row["file"] for row in csv.DictReader(done.stdout.splitlines())] == [
        "/0",
        "/1",
        "/2",
        "/3",
    ]
    assert run(path, "--by", "file", "--parquet", tmp_path / "x.parquet").exit_code == 0
    assert len(duckdb.read_parquet(str(tmp_path / "x.parquet")).fetchall()) == 4


def test_csv_tells_names_apart(record: Record) -> None:
    names = [
        b"/\t",
        b"/\\t",
        b"/\\\\t",
        b"/\x85",
        b"/\\x85",
        b"/\xc2\x85",
        b"/\xe2\x80\xae",
        b"/\\u202e",
    ]
    path = record([{"path": "?", "path_bytes": name} for name in names])
    for words in (["files", path], [path, "--by", "file"]):
        said = run(*words, "--csv").stdout
        assert {row.get("file", row.get("path")) for row in csv.DictReader(said.splitlines())} == {
            "/\\t",
            "/\\\\t",
            "/\\\\\\\\t",
            "/\\x85",
            "/\\\\x85",
            "/\\u0085",
            "/\\u202e",
            "/\\\\u202e",
        }


def test_diff(record: Record) -> None:
    images = [{"cgroup_id": 1, "name": "a", "cgroup_path": "/", "image": "i:2"}]
    first, second = (
        record([{"path": "/a"}, {"path": "/x"}]),
        record([{"path": "/b"}, {"path": "/x"}, {"path": "/x"}], containers=images),
    )
    got = [
        (row["used"], row["file"], row["events_a"], row["events_b"], row["images_b"])
        for row in rows("diff", first, second)
    ]
    assert got == [
        ("only in B", "/b", 0, 1, "i:2"),
        ("only in A", "/a", 1, 0, None),
        ("both", "/x", 1, 2, "i:2"),
    ]


def test_merge(tmp_path: Path) -> None:
    digest = f"sha256:{'0' * 64}"
    for node, said in (("n1", digest), ("n2", f"docker.io/library/nginx@{digest}")):
        image = {"cgroup_id": 1, "name": node, "cgroup_path": "/", "image_digest": said}
        other = {"cgroup_id": 2, "name": "other", "cgroup_path": "/2"}
        write_session(
            tmp_path / node / "s",
            [{"path": f"/{node}"}, {"path": "/both", "cgroup_id": 2}],
            host=node,
            session_id="s",
            containers=[image, other],
            losses={"ring_full": 1},
        )
    write_session(tmp_path / "copy" / "s", [], host="n1", session_id="s")
    done = run("merge", tmp_path / "n1", tmp_path / "n2", tmp_path / "copy", "--report", "-")
    report = json.loads(done.stdout)
    assert [one["files"] for one in report["containers"]] == [["/n1", "/n2"], ["/both"], ["/both"]]
    assert (report["total_events"], report["dropped_events"]) == (4, 2)


@pytest.mark.parametrize("order", [("old", "new"), ("new", "old")])
def test_merge_takes_the_fuller_copy(tmp_path: Path, order: tuple[str, str]) -> None:
    """One may have been copied while the session was recorded."""
    write_session(tmp_path / "old/s", EVENTS[:5], session_id="s", ended_at=None)
    write_session(tmp_path / "new/s", EVENTS, session_id="s")
    done = run("merge", *(tmp_path / one for one in order), "--report", "-")
    assert json.loads(done.stdout)["total_events"] == 10
    with pytest.raises(CaptureError, match="are the same session s: give one of them"):
        Capture(*(tmp_path / one for one in order))


def test_lru(record: Record) -> None:
    got = rows("lru", record(EVENTS), "--capacity", 3, "--capacity", 4)
    assert [list(row.values()) for row in got] == [
        [0, 6, 4, 0, 4, 0],
        [3, 0, 10, 7, 3, 1],
        [4, 6, 4, 0, 4, 0],
    ]


def test_lru_has_bounds_of_its_own(record: Record) -> None:
    path = record(EVENTS)
    assert "No such option" in run("lru", path, "--max-unique-files", 1).stderr
    assert rows("lru", path, "--profile", "go-snoop") == rows("lru", path, "--syscall", "openat")


def test_export(record: Record, tmp_path: Path) -> None:
    odd = {"path": "?", "path_bytes": b"/\xff"}
    led = {"path": "/line\nbreak", "real_path": "/real"}
    path = record([*EVENTS, odd, led, {"path": "/proc/1", "real_path": "/proc/2"}])
    done = run("export", path, "--to", "slim", "-o", tmp_path / "slim")
    assert (tmp_path / "slim").read_bytes() == b"/\xff\n/0\n/1\n/2\n/real\n"
    assert "1 file with a line break" in done.stderr
    for kind in ("csv", "json", "parquet"):
        target = tmp_path / f"events.{kind}"
        assert run("export", path, "--to", kind, "-o", target).exit_code == 0
        query = f"SELECT result FROM '{target}' ORDER BY seq::INT"
        results = duckdb.execute(query).fetchall()
        assert [result for (result,) in results][-3:] == ["new", "new", "excluded"]


@pytest.mark.parametrize("narrowed", [["--since", "2026-01-01T00:00:05Z"], ["--syscall", "openat"]])
def test_what_an_earlier_row_says_of_a_file(
    record: Record, tmp_path: Path, narrowed: list[str]
) -> None:
    """A recorder writes once what an open led to; later rows have the file's numbers alone."""
    first, later = (datetime(2026, 1, 1, 0, 0, second, tzinfo=UTC) for second in (0, 9))
    numbers = {"dev": 8, "ino": 77}
    named = {"path": "/lib/x", "real_path": "/usr/lib/x", "syscall": "open", "ts": first}
    events = [named | numbers, {"path": "/lib/../lib/x", "ts": later} | numbers]
    run("export", record(events), "--to", "slim", "-o", tmp_path / "slim", *narrowed)
    assert (tmp_path / "slim").read_text().split() == ["/lib/x", "/usr/lib/x"]


def test_what_a_failing_call_may_have_found_is_kept(record: Record, tmp_path: Path) -> None:
    events = [
        {"path": "/not-allowed", "syscall": "access", "ret": -errno.EACCES},
        {"path": "/no-link", "syscall": "readlink", "ret": -errno.EINVAL},
        {"path": "/interrupted", "ret": None, "note": "restarted"},
        {"path": "/absent", "ret": -errno.ENOENT},
        {"path": "/proc/1", "ret": -errno.EACCES},
    ]
    run("export", record(events), "--to", "slim", "-o", tmp_path / "slim")
    kept = (tmp_path / "slim").read_text().split()
    assert kept == ["/interrupted", "/no-link", "/not-allowed"]


@pytest.mark.parametrize("name", ["x" * 255, "\udcff"], ids=["the longest", "not UTF-8"])
@pytest.mark.parametrize(
    "words",
    ["export {} --to csv -o", "export {} --to json -o", "export {} --to parquet -o",
     "export {} --to slim -o", "files {} --parquet"],
)  # fmt: skip
def test_a_file_may_have_any_name(record: Record, tmp_path: Path, words: str, name: str) -> None:
    done = run(*words.format(record(EVENTS)).split(), tmp_path / name)
    assert done.exit_code == 0
    assert [one.name for one in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).stat().st_size


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("export {path} --to csv -o {odd}/x", "the name of {odd} is not UTF-8: write to another"),
        ("files {path} --parquet {odd}/x", "the name of {odd} is not UTF-8: write to another"),
        ("files {path} --memory-limit {odd}", "memory_limit cannot be {odd!r}: it is not UTF-8"),
    ],
)
def test_names_that_duckdb_does_not_take(
    record: Record, tmp_path: Path, words: str, sentence: str
) -> None:
    odd = str(tmp_path / "\udcff")
    done = run(*words.format(path=record(EVENTS), odd=odd).split())
    assert sentence.format(odd=odd) in str(done.exception)


def test_verify(record: Record) -> None:
    path = record(EVENTS, segments=3, losses={"ring_full": 4})
    done = run("verify", path)
    assert done.exit_code == 0
    assert "4 events lost: ring_full" in done.stdout
    (path / sealed_name(2)).write_bytes(b"PAR1")
    done = run("verify", path)
    assert done.exit_code == 1
    assert str(path / sealed_name(2)) in done.stdout


@pytest.mark.parametrize(
    ("gone", "said"),
    [
        ((1,), "lacks segment 1: its events are missing"),
        ((3,), "lacks segment 3: its events are missing"),
        ((8,), "lacks segment 8: its events are missing"),
        ((1, 2, 3, 7), "lacks 4 segments, 1-3, 7: their events are missing"),
        (tuple(range(1, 9)), "lacks 8 segments, 1-8: their events are missing"),
    ],
)
@pytest.mark.parametrize("rows", [1, None])  # other writers need not say
def test_segments_that_are_listed_ought_to_be_there(
    record: Record, gone: tuple[int, ...], said: str, rows: int | None
) -> None:
    listed = [{"file": sealed_name(number), "rows": rows} for number in range(1, 9)]
    path = record([{"path": f"/{n}"} for n in range(8)], segments=8)
    write_listed(path, listed)
    assert run("verify", path).exit_code == 0
    for number in gone:
        (path / sealed_name(number)).unlink()
    done = run("verify", path)
    assert (done.exit_code, f"{path} {said}" in done.stdout) == (1, True)
    with pytest.raises(CaptureError, match=said):
        Capture(path)
    lacks = Capture(path, skip_damaged=True).replay().report().completeness
    assert lacks.missing_segments == [f"{path.name} {number}" for number in gone]
    assert (lacks.complete, lacks.earlier_segments_removed) == (False, [])


def test_segments_that_were_removed_are_not_missing(record: Record) -> None:
    """Their recorder may have been killed before it took them off the list, or removed the file."""
    listed = [{"file": sealed_name(number), "rows": 1} for number in range(1, 5)]
    path = record([{"path": f"/{n}"} for n in range(4)], segments=4)
    remove_segments(path, 2)
    write_listed(path, listed)
    assert run("verify", path).exit_code == 0
    (path / sealed_name(3)).unlink()
    assert "lacks segment 3: its events are missing" in run("verify", path).stdout


def write_listed(path: Path, listed: list[dict[str, Any]]) -> None:
    """Have ``session.json`` list segments."""
    said = json.loads((path / SESSION_FILE).read_text())
    (path / SESSION_FILE).write_text(json.dumps(said | {"segments": listed}))


@pytest.mark.parametrize("part", range(24))
def test_verify_finds_a_flipped_bit(record: Record, part: int) -> None:
    """Wherever it is: Parquet's readers do not see one in most places."""
    path = record([{"path": f"/{n % 7}"} for n in range(500)])
    segment = path / sealed_name(1)
    said = json.loads((path / SESSION_FILE).read_text())
    said["segments"] = [segment_entry(segment, 500, 0, 499)]
    (path / SESSION_FILE).write_text(json.dumps(said))
    assert run("verify", path).exit_code == 0
    data = bytearray(segment.read_bytes())
    data[part * len(data) // 24] ^= 1 << part % 8
    segment.write_bytes(data)
    done = run("verify", path)
    assert done.exit_code == 1
    assert segment.name in done.stdout


def test_verify_finds_damage_in_the_open_segment(record: Record) -> None:
    """A write that was cut short is none; a flipped bit is, where writes follow it."""
    path = record(EVENTS, ended_at=None)
    segment = path / open_name(2)
    ends = write_in_commits(segment, [5, 5, 5], len(EVENTS))
    whole = segment.read_bytes()
    segment.write_bytes(whole[: ends[1] + 100])
    done = run("verify", path)
    assert done.exit_code == 0
    assert "ok, 10 events, 100 bytes cut short" in done.stdout
    segment.write_bytes(whole[: ends[0] + 50] + b"?" + whole[ends[0] + 51 :])
    hidden = f"{len(whole) - ends[0]} bytes behind them cannot be read, more than one write"
    damage = f"{segment} is damaged after 5 events: {hidden}"
    done = run("verify", path, "--json")
    assert done.exit_code == 1
    said = {one["what"]: one["finding"] for one in json.loads(done.stdout)}
    assert (said["damage"], segment.name in said) == (damage, False)
    with pytest.raises(CaptureError) as refused:
        Capture(path)
    assert str(refused.value).startswith(damage)
    readable = Capture(path, skip_damaged=True)
    assert readable.left_out == [damage]
    completeness = readable.replay().report().completeness
    assert (completeness.complete, completeness.torn_bytes) == (False, 0)
    assert completeness.left_out == [damage]
    assert len(readable.events) == len(EVENTS) + 5


@pytest.mark.parametrize("place", [3, 4, 2])
def test_a_segment_that_is_there_twice_is_refused(record: Record, place: int) -> None:
    """Also where its copy has taken the place of another one, and the counts are right."""
    path = record([{"path": f"/{n}"} for n in range(3)], segments=3)
    (path / sealed_name(place)).write_bytes((path / sealed_name(1)).read_bytes())
    twice = f"{sealed_name(place)} and {sealed_name(1)} hold the same events"
    with pytest.raises(AnalysisError, match=twice):
        Capture(path)
    done = run("verify", path)
    assert done.exit_code == 1
    assert "hold the same events" in done.stdout


@pytest.mark.parametrize(
    ("seqs", "fault"),
    [((0, 1, 1), "1 sequence numbers stand twice"), ((0, 5), "4 events are missing")],
)  # fmt: skip
def test_verify_sequence(record: Record, seqs: tuple[int, ...], fault: str) -> None:
    done = run("verify", record([{"path": "/a", "seq": seq} for seq in seqs]))
    assert done.exit_code == 1
    assert fault in done.stdout


def test_compact(record: Record) -> None:
    path = record([{"path": f"/{n}"} for n in range(10)], segments=5, **ENDED)
    (path / "note.txt").write_text("kept")
    (path / "link").symlink_to("nowhere")
    write_open(path / open_name(2), [{"path": "/2"}, {"path": "/3"}], 2)
    (path / sealed_name(1)).unlink()
    wanted = Capture(path).replay().report()
    done = run("compact", path, "--rows", 5)
    assert f"{path}: 4 segments are now 2" in done.stdout
    assert [number for number, _ in segments(path)] == [2, 3]
    assert (path / "note.txt").read_text() == "kept"
    assert (path / "link").readlink() == Path("nowhere")
    assert not list(path.parent.glob("*.compacting"))
    got = Capture(path).replay().report()
    assert got.as_dict() == wanted.as_dict()
    assert "large enough" in run("compact", path, "--rows", 5).stdout


def test_compact_leaves_a_running_session(record: Record) -> None:
    path = record(EVENTS, segments=5, ended_at=None)
    assert "has not ended" in run("compact", path).stdout
    assert len(list(segments(path))) == 5


@pytest.mark.parametrize("number", [5, 1])  # segments: killed before they changed places, or after
def test_compact_removes_what_a_killed_one_left(tmp_path: Path, number: int) -> None:
    path = write_session(tmp_path / "s", EVENTS, number, session_id="s", **ENDED)
    left = write_session(tmp_path / "s.compacting", EVENTS, 5, session_id="s", **ENDED)
    (left / SESSION_FILE).unlink()
    assert run(tmp_path).exit_code == run(f"{tmp_path}/*").exit_code == 0
    assert run("compact", tmp_path).exit_code == 0
    assert list(tmp_path.iterdir()) == [path]


def retyped(path: Path, column: str, kind: pa.DataType) -> None:
    """Write a segment again, with another type of a column."""
    table = pq.read_table(path)
    field = table.schema.field(column).with_type(kind)
    index = table.column_names.index(column)
    pq.write_table(table.set_column(index, field, table[column].cast(kind)), path)


def test_compact_takes_the_types_of_other_writers(record: Record) -> None:
    path = record(EVENTS, segments=2, **ENDED)
    wanted = Capture(path).replay().report()
    retyped(path / sealed_name(2), "comm", pa.string())
    assert "2 segments are now 1" in run("compact", path).stdout
    assert Capture(path).replay().report().as_dict() == wanted.as_dict()


def test_compact_leaves_types_that_do_not_go_together(record: Record) -> None:
    path = record(EVENTS, segments=2, **ENDED)
    retyped(path / sealed_name(2), "ts", pa.int64())
    before = {one: one.read_bytes() for one in path.iterdir()}
    error = run("compact", path).exception
    assert isinstance(error, CaptureError)
    assert str(error).startswith(f"cannot compact {path}: Unable to merge: Field ts")
    assert {one: one.read_bytes() for one in path.iterdir()} == before


@pytest.mark.parametrize("text", ["path", "base", "real_path"])
def test_compact_leaves_bytes_that_stand_for_text_in_some_segments(
    record: Record, text: str
) -> None:
    """Merged, one column of bytes would hide the other."""
    events = [{"path": "a", text: "/a"}, {"path": "a", text: "/?", f"{text}_bytes": b"/\xff"}]
    path = record(events, segments=2, **ENDED)
    retyped(path / sealed_name(1), text, pa.binary())
    before = {one: one.read_bytes() for one in path.iterdir()}
    reason = f"some of its segments have {text} as bytes, and others {text}_bytes beside it"
    assert run("compact", path).stdout == f"{path} is left as it is: {reason}\n"
    assert {one: one.read_bytes() for one in path.iterdir()} == before


@pytest.mark.parametrize("number", [1, 2])
def test_compact_leaves_segments_of_which_some_have_no_seq(record: Record, number: int) -> None:
    """Merged, the places of their events would count as their seq: as repeated, or as a gap."""
    path = record([{"path": "/a"}, {"path": "/b"}], segments=2, **ENDED)
    one = pq.read_table(path / sealed_name(number))
    pq.write_table(one.drop_columns(["seq"]), path / sealed_name(number))
    before = {one: one.read_bytes() for one in path.iterdir()}
    reason = "some of its segments have a column seq, and others none"
    assert run("compact", path).stdout == f"{path} is left as it is: {reason}\n"
    assert {one: one.read_bytes() for one in path.iterdir()} == before


def test_compact_merges_bytes_and_text(record: Record) -> None:
    path = record([{"path": "/é"}, {"path": "/a"}, {"path": "/a\0"}], segments=3, **ENDED)
    retyped(path / sealed_name(1), "path", pa.binary())
    wanted = Capture(path).replay().report()
    assert "3 segments are now 1" in run("compact", path).stdout
    assert Capture(path).replay().report().as_dict() == wanted.as_dict()


@pytest.mark.parametrize("text", ["path", "base", "real_path"])
def test_compact_merges_paths_that_are_bytes_alone(record: Record, text: str) -> None:
    """In one segment, which has no column of text."""
    events = [{"path": "a", f"{text}_bytes": b"/\xff"}, {"path": "a", text: "/a"}]
    path = record(events, segments=2, **ENDED)
    first = pq.read_table(path / sealed_name(1))
    pq.write_table(first.drop_columns([text]), path / sealed_name(1))
    wanted = Capture(path).replay().report()
    assert "2 segments are now 1" in run("compact", path).stdout
    assert Capture(path).replay().report().as_dict() == wanted.as_dict()


@pytest.mark.parametrize(
    ("column", "other"),
    [("path", "/b"), ("base", "/b"), ("real_path", "/b"), ("seq", 5), ("ret", 0), ("comm", "b")],
)
def test_compact_exchanges_nothing_that_reads_otherwise(
    record: Record, monkeypatch: pytest.MonkeyPatch, column: str, other: Any
) -> None:
    event = {"path": "a", "base": "/a", "real_path": "/a", "ret": 1}
    path = record([event] * 2, segments=2, **ENDED)
    pieces = compaction._pieces

    def changed(*arguments: Any) -> Iterator[pa.Table]:
        for piece in pieces(*arguments):
            rows = piece.to_pylist()
            yield pa.Table.from_pylist([{**row, column: other} for row in rows], piece.schema)

    monkeypatch.setattr(compaction, "_pieces", changed)
    before = {one: one.read_bytes() for one in path.iterdir()}
    error = run("compact", path).exception
    assert isinstance(error, CaptureError)
    assert str(error) == f"cannot compact {path}: merged, its events would read otherwise"
    assert {one: one.read_bytes() for one in path.iterdir()} == before
    assert not list(path.parent.glob("*.compacting"))


def test_compact_loses_no_directory(record: Record) -> None:
    path = record(EVENTS, segments=5, **ENDED)
    (path / "notes").mkdir()
    (path / "notes/a.txt").write_text("kept")
    done = run("compact", path)
    assert done.stdout == f"{path} is left as it is: move notes in it elsewhere\n"
    assert (path / "notes/a.txt").read_text() == "kept"


def test_tail(record: Record) -> None:
    path = record([{"path": "/a\x1b"}, {"path": "/b", "ret": -2}])
    lines = run("tail", path, "--once", "--lines", 1).stdout.splitlines()
    assert lines == ["-  app  app[10]  openat  ENOENT  /b"]
    assert "/a\\x1b" in run("tail", path, "--once").stdout


def test_watch(record: Record, tmp_path: Path) -> None:
    path = record([{"path": "/a"}], session_id="w", ended_at=None)
    target = tmp_path / "r.json"
    script = "from snoop_analysis.cli import main; main()"
    arguments = [str(path), "--report", str(target), "--watch", "0.1s"]
    with subprocess.Popen([sys.executable, "-c", script, *arguments], text=True) as process:
        try:
            wait_for(target, ["/a"])
            write_open(path / open_name(2), [{"path": "/b"}], 1)
            wait_for(target, ["/a", "/b"])
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0


def wait_for(report: Path, files: list[str]) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if report.exists() and json.loads(report.read_text())["containers"][0]["files"] == files:
            return
        time.sleep(0.05)
    raise AssertionError(f"{report} did not come to list {files}")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--watch", "1s"], "--watch needs --report"),
        (["--watch", "1s", "--report", "r", "--by", "syscall"], "--watch keeps a report current"),
        (["--watch", "1s", "--report", "r", "--csv"], "--watch keeps a report current"),
        (["--watch", "1s", "--report", "r", "--strict"], "--watch keeps a report current"),
        (["--report", "-", "--by", "syscall"], "cannot both go to standard output"),
        (["--report", "-", "--parquet", "-"], "cannot both go to standard output"),
    ],
)
def test_options_that_exclude_each_other(words: list[str], sentence: str) -> None:
    done = run("nowhere", *words)
    assert done.exit_code == 2
    assert sentence in done.stderr


@pytest.mark.parametrize(
    ("words", "first"),
    [
        (["--by", "syscall", "--csv"], "syscall,"),
        (["--csv"], "container,"),
        (["--json"], "{"),
        (["--by", "syscall"], "syscall "),
    ],
)
def test_a_report_and_a_listing(
    record: Record, tmp_path: Path, words: list[str], first: str
) -> None:
    done = run(record(EVENTS), *words, "--report", tmp_path / "r.json")
    assert done.exit_code == 0
    assert done.stdout.startswith(first)
    assert json.loads((tmp_path / "r.json").read_text())["total_events"] == len(EVENTS)


def test_a_listing_in_a_file_and_the_report_printed(record: Record, tmp_path: Path) -> None:
    done = run(record(EVENTS), "--report", "-", "--parquet", tmp_path / "x.parquet")
    assert json.loads(done.stdout)["total_events"] == len(EVENTS)
    assert len(duckdb.read_parquet(str(tmp_path / "x.parquet")).fetchall()) == 4


def test_strict(record: Record) -> None:
    assert run(record(EVENTS, **ENDED), "--strict").exit_code == 0
    assert run(record(EVENTS, losses={"x": 1}), "--strict").exit_code == 3
    assert run(record(EVENTS), "--strict", "--max-unique-files", 1).exit_code == 3
    assert run(record([{"path": "/a", "cgroup_id": 7}]), "--strict").exit_code == 3  # unknown


def test_strict_where_the_end_is_missing(record: Record) -> None:
    hour = [{"path": "/a", "ts": datetime(2026, 1, 1, n, tzinfo=UTC)} for n in range(3)]
    open_ended = record(hour, ended_at=None)
    killed = record(hour, **ENDED, recovered_at="2026-01-02T00:00:00Z")
    for path in (open_ended, killed):
        assert run(path, "--strict").exit_code == 3
        assert run(path, "--strict", "--until", "2026-01-01T02:00:00Z").exit_code == 3


def test_sessions_say_what_was_recorded_and_how_it_ended(record: Record) -> None:
    path = record(EVENTS, **ENDED, recovered_at="2026-01-02T00:00:00Z", command=["ls", "-l"])
    (row,) = rows("sessions", path)
    assert (row["command"], row["ended_at"], row["recovered_at"]) == (
        ["ls", "-l"],
        "2026-01-01T01:00:00Z",
        "2026-01-02T00:00:00Z",
    )
    (row,) = rows("sessions", record(EVENTS, ended_at=None))
    assert (row["command"], row["ended_at"], row["recovered_at"]) == (None, None, None)


def test_skip_damaged(record: Record) -> None:
    path = record(EVENTS, segments=2)
    (path / sealed_name(1)).write_bytes(b"")
    assert isinstance(run(path).exception, AnalysisError)
    done = run(path, "--skip-damaged", "--strict")
    assert done.exit_code == 3
    assert done.stdout.splitlines()[0].startswith("! left out: ")


@pytest.mark.parametrize(
    "words",
    [
        "files {}",
        "diff {} {}",
        "lru {}",
        "tail {} --once",
        "sessions {}",
        "losses {}",
        "export {} --to slim -o /dev/null",
        "{} --by file",
        "{} --csv",
    ],
)
def test_what_is_left_out_is_said_beside_a_listing(record: Record, words: str) -> None:
    path = record(EVENTS, segments=2)
    (path / sealed_name(1)).write_bytes(b"")
    done = run(*words.format(path, path).split(), "--skip-damaged")
    assert done.exit_code == 0
    assert f"left out: {path / sealed_name(1)}" in done.stderr
    assert "left out" not in done.stdout


def test_losses_are_said_beside_a_list_for_slim(record: Record, tmp_path: Path) -> None:
    path = record(EVENTS, losses={"ring_full": 4})
    done = run("export", path, "--to", "slim", "-o", tmp_path / "list")
    assert done.stderr == "! 4 events lost while recording: ring_full 4\n"


def test_config(record: Record, tmp_path: Path) -> None:
    config = tmp_path / "c.toml"
    config.write_text('max-unique-files = 2\nexclude = ["/3"]\n')
    path = record(EVENTS)
    assert [row["file"] for row in rows(path, "--config", config, "--by", "file")] == [
        "/0", "/1", "/2", "/3",
    ]  # fmt: skip
    report = json.loads(run(path, "--config", config, "--report", "-").stdout)
    assert report["settings"]["exclude"] == ["/3"]
    assert report["evictions"] > 0
    config.write_text("colour = 1")
    assert "sets 'colour', which is no option" in str(run(path, "--config", config).exception)
    config.write_text("= =")
    assert "is not TOML" in str(run(path, "--config", config).exception)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ([], "csv = true\nby = 'syscall'"),
        ([], "csv = true\nby = ['syscall']\nsyscall = ['openat']\ncontainer = [1]"),
        (["--csv", "--by", "syscall"], "since = 2026-01-01T00:00:00Z"),
    ],
)
def test_config_has_what_the_command_line_has(
    record: Record, tmp_path: Path, words: list[str], text: str
) -> None:
    (tmp_path / "c.toml").write_text(text)
    path = record([{"path": "/a", "ts": datetime(2026, 1, 2, tzinfo=UTC)}])
    done = run(path, *words, "--config", tmp_path / "c.toml")
    assert [line[:14] for line in done.stdout.splitlines()] == ["syscall,events", "openat,1,1,1,0"]


def test_config_of_commands_with_other_options(record: Record, tmp_path: Path) -> None:
    config, path = tmp_path / "c.toml", record(EVENTS)
    config.write_text(f"to = 'slim'\noutput = '{tmp_path}/list'")
    assert run("export", path, "--config", config).exit_code == 0
    assert (tmp_path / "list").exists()
    config.write_text("json = true\nfound-only = true")
    assert len(json.loads(run("diff", path, path, "--config", config).stdout)) == 3


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("strict = 1", "sets strict to 1: write true or false"),
        ("skip-damaged = 'yes'", "sets skip-damaged to 'yes': write true or false"),
        ("report = true", "sets report to True: write a text or a number"),
        ("max-unique-files = {a = 1}", "sets max-unique-files to {'a': 1}: write a text or"),
        ("max-unique-files = true", "sets max-unique-files to True: write a text or a number"),
        ("syscall = [true]", "sets syscall to [True]: write a text or a number"),
        ("max-unique-files = 1.5", "'1.5' is not a valid integer"),
        ("syscalls = ['open']", "sets 'syscalls', which is no option of this command"),
        ("captures = ['/x']", "sets 'captures', which is no option of this command"),
        ("config = 'x'", "sets 'config', which is no option of this command"),
        ("max_unique_files = 1", "sets 'max_unique_files', which is no option of this command"),
    ],
)
def test_config_that_cannot_be(tmp_path: Path, text: str, sentence: str) -> None:
    (tmp_path / "c.toml").write_text(text)
    done = run("nowhere", "--config", tmp_path / "c.toml")
    assert sentence in f"{done.exception} {done.stderr}"


def test_settings_from_the_command_line(record: Record) -> None:
    path = record([*EVENTS, {"path": "/s", "syscall": "stat"}])
    report = json.loads(run(path, "--syscall", "stat,lstat", "--report", "-").stdout)
    assert report["containers"][0]["files"] == ["/s"]
    assert "no container 'x'" in str(run(path, "--container", "x").exception)
    assert run(path, "--container", "1").exit_code == 0
    assert "no time" in str(run(path, "--since", "x").exception)


def test_session_json_of_a_compacted_session_lists_its_segments(record: Record) -> None:
    path = record(EVENTS, segments=5, **ENDED)
    run("compact", path)
    listed = json.loads((path / SESSION_FILE).read_text())["segments"]
    assert [(one["file"], one["rows"], one["last_seq"]) for one in listed] == [
        (sealed_name(1), 10, 9)
    ]
