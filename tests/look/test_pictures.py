# SPDX-License-Identifier: Apache-2.0
"""Pictures show what the replay counted, and come as files without a browser."""

from collections import Counter
from datetime import timedelta
from pathlib import Path
from xml.etree import ElementTree

import pytest

from snoop_analysis import Capture
from snoop_analysis.commands.looks import PICTURES
from snoop_analysis.errors import OptionError
from snoop_analysis.plotting.plots import Plots
from snoop_analysis.plotting.saving import png, save, svg
from snoop_analysis.plotting.style import PAGE
from snoop_analysis.replay import Replay
from tests.analysis.conftest import Record
from tests.look.captures import BEGAN, ENOENT, NOT_UTF8, NOT_UTF8_SHOWN, facts

SVG = "{http://www.w3.org/2000/svg}"


def test_the_timeline_has_every_event_once(hostile: Replay) -> None:
    bars = facts(hostile.plot.timeline().to_dict())
    counts: Counter[str] = Counter()
    for bar in bars:
        counts[bar["outcome"]] += bar["calls"]
    assert counts == {"found": 24, "missed": 7, "no result": 1}
    assert all(bar["start"] < bar["end"] for bar in bars)
    assert min(bar["start"] for bar in bars) == 0
    assert max(bar["end"] for bar in bars) >= 31  # seconds: one event each


def test_the_timeline_says_how_many_events_have_no_time(record: Record) -> None:
    events = [{"path": "/a", "ts": BEGAN}, {"path": "/b"}, {"path": "/c", "ts": None}]
    (line,) = Capture(record(events)).replay().plot.timeline().to_dict()["title"]["subtitle"]
    assert line == "2 events without a plausible time are not drawn"


@pytest.mark.parametrize(
    ("microseconds", "unit"),
    [
        (5, "microseconds"),
        (5_000, "milliseconds"),
        (90_000_000, "seconds"),
        (3 * 86_400_000_000, "days"),
    ],
)
def test_the_axis_has_a_unit_for_people(record: Record, microseconds: int, unit: str) -> None:
    times = [BEGAN, BEGAN + timedelta(microseconds=microseconds)]
    replay = Capture(record([{"path": "/a", "ts": time} for time in times])).replay()
    spec = replay.plot.timeline().to_dict()
    assert spec["encoding"]["x"]["title"].startswith(f"{unit} since 2026-11-23 12:00:00")


def test_the_heatmap_has_a_row_for_each_container(hostile: Replay) -> None:
    calls: Counter[str] = Counter()
    for cell in facts(hostile.plot.heatmap().to_dict()):
        calls[cell["container"]] += cell["calls"]
    assert calls == {"<b>web</b>": 29, "tool": 3}


def test_containers_of_one_name_are_told_apart(record: Record) -> None:
    same = [{"cgroup_id": n, "name": "app", "cgroup_path": f"/{n}"} for n in (1, 2)]
    events = [{"path": "/a", "cgroup_id": n, "ts": BEGAN} for n in (1, 2)]
    rows = facts(Capture(record(events, containers=same)).replay().plot.heatmap().to_dict())
    assert {row["container"] for row in rows} == {"app (cgroup 1)", "app (cgroup 2)"}


def test_syscalls_are_counted_by_outcome(hostile: Replay) -> None:
    bars = facts(hostile.plot.syscalls().to_dict())
    assert {(bar["syscall"], bar["outcome"]): bar["calls"] for bar in bars} == {
        ("openat", "found"): 21,
        ("openat", "missed"): 6,
        ("execve", "found"): 3,
        ("stat", "missed"): 1,
        ("stat", "no result"): 1,
    }


def test_rare_syscalls_share_a_bar(record: Record) -> None:
    events = [{"path": "/a", "syscall": f"call{n:02}"} for n in range(30)]
    bars = facts(Capture(record(events)).replay().plot.syscalls().to_dict())
    assert bars[-1]["syscall"] == "10 other calls"
    assert sum(bar["calls"] for bar in bars) == 30


def test_misses_are_counted_by_directory_and_error(hostile: Replay) -> None:
    bars = facts(hostile.plot.misses().to_dict())
    assert [(bar["directory"], bar["error"], bar["calls"]) for bar in bars] == [
        ("/opt", "ENOENT", 5),
        ("/opt", "EACCES", 1),
    ]


def test_areas_of_the_treemap_are_numbers_of_files() -> None:
    replay = Capture.sample().replay()
    tiles = facts(replay.plot.directories().to_dict())
    files = sum(tile["files"] for tile in tiles)
    assert files == replay.report().containers[0].unique_files
    for tile in tiles:
        area = (tile["x2"] - tile["x"]) * (tile["y2"] - tile["y"])
        assert area == pytest.approx(tile["files"] / files)
    below = facts(replay.plot.directories(under="/usr/lib/python3.11").to_dict())
    assert {tile["directory"].split("/")[3] for tile in below} == {"python3.11"}
    assert sum(tile["found"] for tile in below) == len(
        [one for one in replay.report().containers[0].found_files if "/lib/python3.11/" in one]
    )


def test_the_lru_curve_is_what_the_bounds_cost() -> None:
    replay = Capture.sample().replay()
    points = facts(replay.plot.lru([10, 100]).to_dict())
    shares = {(row["line"], row["capacity"]): row["share"] for row in points}
    assert shares["files asked for that the report has", 10] == 0.1
    assert shares["files asked for that the report has", 100] == 1
    bounded = replay.capture.replay(max_unique_files=10)
    ((hits, misses),) = bounded.query(
        "SELECT duplicate, new FROM stats WHERE container_no IS NULL"
    ).fetchall()
    assert shares["calls that hit the cache", 10] == pytest.approx(hits / (hits + misses))


@pytest.mark.parametrize("name", PICTURES)
def test_hostile_names_stay_text(hostile: Replay, name: str) -> None:
    drawn = svg(getattr(Plots(hostile, PAGE), name)())
    root = ElementTree.fromstring(drawn)
    tags = {element.tag.removeprefix(SVG) for element in root.iter()}
    assert tags <= {"svg", "g", "path", "rect", "line", "text", "tspan"}
    assert not {attribute for element in root.iter() for attribute in element.attrib} & {
        "style",
        "id",
    }
    assert not any(letter in drawn for letter in "\u202e\x1b\u2028")
    assert "#" not in "".join(element.get("fill", "") for element in root.iter())


@pytest.mark.parametrize("name", PICTURES)
def test_a_capture_without_events_says_so(record: Record, name: str) -> None:
    drawn = svg(getattr(Capture(record([])).replay().plot, name)())
    assert "No " in "".join(ElementTree.fromstring(drawn).itertext())


def test_a_name_that_is_not_utf8_is_shown_escaped(record: Record) -> None:
    events = [{"path": "x", "path_bytes": NOT_UTF8 + b"/a", "ret": ENOENT}]
    bars = facts(Capture(record(events)).replay().plot.misses().to_dict())
    assert bars[0]["directory"] == NOT_UTF8_SHOWN


@pytest.mark.parametrize("suffix", ["png", "svg", "SVG"])
def test_pictures_are_files(tmp_path: Path, suffix: str) -> None:
    target = tmp_path / f"out.{suffix}"
    save(Capture.sample().plot.syscalls(), target)
    begins = b"\x89PNG" if suffix == "png" else b"<svg "
    assert target.read_bytes().startswith(begins)
    assert [path.name for path in tmp_path.iterdir()] == [target.name]


def test_a_picture_is_the_same_every_time() -> None:
    first, second = (Capture.sample().plot.overview() for _ in range(2))
    assert png(first) == png(second)


def test_a_picture_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=r"out\.pdf is no picture's name: .* \.png or \.svg"):
        save(Capture.sample().plot.syscalls(), tmp_path / "out.pdf")
