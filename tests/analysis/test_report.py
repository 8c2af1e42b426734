# SPDX-License-Identifier: Apache-2.0
"""The report: fields the Go program's readers know, and what the recording lacks."""

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from snoop_analysis import Capture
from snoop_analysis.errors import CaptureError, OptionError
from snoop_analysis.exporting import export
from snoop_analysis.html.document import write_page
from snoop_analysis.plotting.saving import save
from snoop_analysis.sqltext import statement
from snoop_analysis.summary import summary
from snoop_format.session import SESSION_FILE, sealed_name

from .conftest import Record

TIMES = {"started_at": "2026-01-02T03:04:05.5Z", "ended_at": "2026-01-02T04:00:00Z"}
EVENTS = [{"path": "/b"}, {"path": "/a", "ret": -2}, {"path": "/b", "cgroup_id": 2}]
CONTAINERS = [
    {"cgroup_id": 2, "name": "two", "cgroup_path": "/pod/two"},
    {"cgroup_id": 1, "name": "one", "cgroup_path": "/pod/one"},
]


def written(path: Path, capture: Path, **settings: Any) -> dict[str, Any]:
    Capture(capture).replay(**settings).report().write(path)
    said = json.loads(path.read_text())
    assert isinstance(said, dict)
    return said


def test_the_fields_of_the_go_program(record: Record, tmp_path: Path) -> None:
    capture = record(
        EVENTS, containers=CONTAINERS, pod_name="p", namespace="n", losses={"x": 3, "y": 4}, **TIMES
    )
    report = written(tmp_path / "r.json", capture)
    wanted = {
        "pod_name": "p",
        "namespace": "n",
        "started_at": "2026-01-02T03:04:05.500000Z",
        "last_updated_at": "2026-01-02T04:00:00Z",
        "total_events": 3,
        "dropped_events": 7,
    }
    assert {name: report[name] for name in wanted} == wanted
    fields = ("name", "cgroup_id", "cgroup_path", "files", "total_events", "unique_files")
    assert [[one[name] for name in fields] for one in report["containers"]] == [
        ["one", 1, "/pod/one", ["/a", "/b"], 2, 2],
        ["two", 2, "/pod/two", ["/b"], 1, 1],
    ]
    assert list(report)[:7] == [*list(wanted)[:4], "containers", "total_events", "dropped_events"]


@pytest.mark.parametrize(
    ("said", "fields", "sentence"),
    [
        (
            {"ended_at": None},
            (["s"], []),
            "! still being recorded, or the recorder was killed: what came after the last write "
            "is missing (s)",
        ),
        (
            {**TIMES, "recovered_at": "2026-01-03T00:00:00Z"},
            ([], ["s"]),
            "! the recorder was killed: what came after its last write is missing (s)",
        ),
    ],
)
def test_a_session_without_its_end_is_not_complete(
    record: Record, said: dict[str, Any], fields: tuple[list[str], list[str]], sentence: str
) -> None:
    capture = Capture(record(EVENTS, session_id="s", **said))
    assert repr(capture).startswith(sentence)
    report = capture.replay().report()
    lacks = report.completeness
    assert (lacks.still_recording, lacks.killed) == fields
    assert not lacks.complete
    assert summary(report)[0] == sentence
    assert "no losses counted, but not complete" in summary(report)[-1]


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        (
            {"io_uring": {"recorded": False, "rings": 2}},
            "! 2 io_uring instances were made, and calls through them were not recorded",
        ),
        (
            {"defects": {"result_lost": 3}},
            "! the results of 3 calls through io_uring were lost: what they found may count",
        ),
    ],
)
def test_what_is_not_known_of_io_uring(record: Record, said: dict[str, Any], sentence: str) -> None:
    report = Capture(record(EVENTS, containers=CONTAINERS, **said)).replay().report()
    assert not report.completeness.complete
    assert summary(report)[0].startswith(sentence)


@pytest.mark.parametrize(
    ("said", "number", "sentence"),
    [
        (
            "left_running",
            1,
            "1 process of the command was left running when recording ended: what it did then is",
        ),
        (
            "left_running",
            2,
            "2 processes of the command were left running when recording ended: what they did ",
        ),
        (
            "moved_out",
            1,
            "1 process was moved out of what is recorded, into another cgroup: what it did there",
        ),
        (
            "moved_out",
            9,
            "9 processes were moved out of what is recorded, into another cgroup: what they did",
        ),
    ],
)
def test_what_went_on_unrecorded(record: Record, said: str, number: int, sentence: str) -> None:
    capture = Capture(record(EVENTS, containers=CONTAINERS, **{said: number}))
    assert sentence in repr(capture)
    report = capture.replay().report()
    assert not report.completeness.complete
    assert getattr(report.completeness, said) == number
    assert summary(report)[0].startswith(f"! {sentence}")


def test_names_and_ids_of_containers_stand_in_a_report(record: Record, tmp_path: Path) -> None:
    replay = Capture(record(EVENTS, containers=CONTAINERS)).replay(containers=["one", 2])
    replay.report().write(tmp_path / "report.json")
    said = json.loads((tmp_path / "report.json").read_text())
    assert said["settings"]["containers"] == ["one", 2]


def test_a_session_that_says_nothing_of_its_end_is_taken_for_whole(record: Record) -> None:
    path = record(EVENTS, containers=CONTAINERS)
    said = json.loads((path / SESSION_FILE).read_text())
    del said["ended_at"]
    (path / SESSION_FILE).write_text(json.dumps(said))
    assert Capture(path).replay().report().completeness.complete


def test_a_name_of_several_containers_is_one_file_of_them_together(record: Record) -> None:
    containers = [*CONTAINERS, {"cgroup_id": 3, "name": "three", "cgroup_path": "/pod/three"}]
    events = [
        {"path": "/etc/hosts", "cgroup_id": number, "ret": ret}
        for number, ret in ((1, 0), (2, 0), (3, -2))
    ]
    replay = Capture(record([*events, {"path": "/x", "ret": -2}], containers=containers)).replay()
    report = replay.report()
    assert (report.distinct_files, report.distinct_found_files) == (2, 1)
    assert [one.unique_files for one in report.containers] == [2, 1, 1]
    assert "4 events, 2 distinct files (1 found), no losses" in summary(report)
    counts = replay.breakdown("file").project("file, events, files").fetchall()
    assert counts == [("/etc/hosts", 3, 1), ("/x", 1, 1)]
    assert replay.breakdown("directory").project("files").fetchall() == [(1,), (1,)]
    assert replay.breakdown("container").project("container, files").fetchall() == [
        ("one", 2),
        ("three", 1),
        ("two", 1),
    ]
    assert replay.query(statement("top_directories")).fetchall() == [("/", 1, 1), ("/etc", 1, 3)]
    title = replay.plot.directories().to_dict()["title"]
    assert "Files asked for under /: 2, 1 found" in json.dumps(title)


def test_unknown_things_are_omitted_or_no_time(record: Record, tmp_path: Path) -> None:
    report = written(tmp_path / "r.json", record([]))
    assert not {"pod_name", "namespace"} & set(report)
    assert report["started_at"] == "0001-01-01T00:00:00Z"
    assert report["containers"][0]["files"] == []


def test_write_replaces_and_leaves_nothing_else(record: Record, tmp_path: Path) -> None:
    target = tmp_path / "new" / "r.json"
    for _ in range(2):
        written(target, record(EVENTS))
    assert [entry.name for entry in target.parent.iterdir()] == ["r.json"]
    assert stat.S_ISREG(target.stat().st_mode)


def test_names_of_files_may_be_text(record: Record, tmp_path: Path) -> None:
    replay = Capture(record(EVENTS, containers=CONTAINERS)).replay()
    replay.report().write(f"{tmp_path}/report.json")
    write_page(replay, f"{tmp_path}/report.html")
    export(replay, "slim", f"{tmp_path}/list.txt")
    save(replay.plot.syscalls(), f"{tmp_path}/calls.svg")
    assert len([one for one in tmp_path.iterdir() if one.stat().st_size]) == 4
    with pytest.raises(OptionError, match="is no picture's name"):
        save(replay.plot.syscalls(), f"{tmp_path}/calls.foo")


def test_hostile_names_survive_json(record: Record, tmp_path: Path) -> None:
    names = ['/"', "/\n", "/\x1b[0m", "/\\", "/\u2028", "/😀", "/</script>"]
    report = written(tmp_path / "r.json", record([{"path": name} for name in names]))
    assert report["containers"][0]["files"] == sorted(names)


def test_complete(record: Record) -> None:
    report = Capture(record([{"path": "/a"}], segments=1, **TIMES)).replay().report()
    assert report.completeness.complete
    assert summary(report)[0] == "1 event, 1 distinct file (1 found), no losses"


@pytest.mark.parametrize(
    ("events", "settings", "session", "line"),
    [
        ([], {}, {"losses": {"ring_full": 2}}, "2 events lost while recording: ring_full 2"),
        ([{"path": "/a"}, {"path": "/b"}], {"max_unique_files": 1}, {}, "1 file evicted"),
        ([{"path": "/a"}, {"path": "/b", "seq": 5}], {}, {}, "4 events missing from the sequence"),
        ([{"path": None}], {}, {}, "1 path could not be read"),
        ([{"path": "x"}], {}, {}, "1 relative path without a known directory"),
        ([{"path": "/a", "cgroup_id": 7}], {}, {}, "1 event of unknown containers"),
        ([], {}, {}, "no events were recorded"),
        ([{"path": "/a", "ret": -2}], {"found_only": True}, {}, "no event passes the filters"),
        ([{"path": "/a"}], {"syscalls": []}, {}, "no event passes the filters"),
        ([{"path": "/a"}], {"containers": []}, {}, "no event passes the filters"),
    ],
)  # fmt: skip
def test_the_summary_says_first_what_is_missing(
    record: Record, events: Any, settings: Any, session: Any, line: str
) -> None:
    report = Capture(record(events, **session)).replay(**settings).report()
    first = summary(report)[0]
    assert first.startswith("! ")
    assert line in first


def test_missing_segments(record: Record) -> None:
    path = record([{"path": f"/{n}"} for n in range(5)], segments=5)
    (path / sealed_name(1)).unlink()
    (path / sealed_name(3)).unlink()
    with pytest.raises(CaptureError, match="lacks segment 3"):
        Capture(path)
    lacks = Capture(path, skip_damaged=True).replay().report().completeness
    assert lacks.missing_segments == [f"{path.name} 3"]
    assert lacks.earlier_segments_removed == [path.name]
    assert lacks.missing_events == 1


@pytest.mark.parametrize("microseconds", [-(1 << 62), (1 << 62), 0])
def test_absurd_times(record: Record, microseconds: int) -> None:
    events = [{"path": "/a", "ts": microseconds}]
    report = Capture(record(events)).replay().report()
    assert report.containers[0].files == ["/a"]
    assert "\n".join(summary(report))
