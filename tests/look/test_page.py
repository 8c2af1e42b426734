# SPDX-License-Identifier: Apache-2.0
"""The HTML report in a real browser: it asks for nothing, works, and names do nothing."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from snoop_analysis import Capture
from snoop_analysis.html.document import page as rendered
from snoop_analysis.html.document import write_page
from snoop_analysis.html.section import Section
from snoop_analysis.replay import Replay
from tests.analysis.conftest import Record
from tests.look.browser import chromium, opened, screenshot
from tests.look.captures import HOSTILE, NOT_UTF8_SHOWN, large_capture

PHONE = {"width": 375, "height": 740}
MANY = 100_000


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def reports(tmp_path_factory: pytest.TempPathFactory, hostile: Replay) -> dict[str, Path]:
    """The pages that the tests open."""
    directory = tmp_path_factory.mktemp("reports")
    replays = {"sample": Capture.sample().replay(), "hostile": hostile}
    paths = {name: directory / f"{name}.html" for name in replays}
    for name, replay in replays.items():
        write_page(replay, paths[name])
    return paths


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("large")
    path = directory / "large.html"
    write_page(Capture(large_capture(directory / "capture", MANY)).replay(), path)
    return path


def names(page: Page) -> list[str]:
    return page.locator("#file-rows th button").all_inner_texts()


def count(page: Page) -> str:
    return page.inner_text("#file-count")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 375])
@pytest.mark.parametrize("name", ["sample", "hostile"])
def test_it_loads_and_is_accessible(
    browser: Browser, reports: dict[str, Path], name: str, width: int, scheme: str
) -> None:
    viewport = {"width": width, "height": 800}
    with opened(browser, reports[name], viewport=viewport, color_scheme=scheme) as watched:
        page = watched.page
        screenshot(page, f"{name}-{scheme}-{width}")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        background = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert background == {"light": "rgb(255, 255, 255)", "dark": "rgb(13, 17, 23)"}[scheme]
        problems = Axe().run(page).response["violations"]
        assert not [(one["id"], one["nodes"][0]["target"]) for one in problems]
        assert watched.said == []
        assert watched.requests == [reports[name].as_uri()]


def test_the_banner_comes_first(browser: Browser, reports: dict[str, Path]) -> None:
    with opened(browser, reports["hostile"]) as watched:
        first = watched.page.locator("main section").first.inner_text()
        assert "Incomplete: something is known to be missing" in first
        assert "7 events lost while recording: ring_full 7" in first
    with opened(browser, reports["sample"]) as watched:
        first = watched.page.locator("main section").first.inner_text()
        assert "Complete: nothing is known to be missing" in first


def test_every_section_is_there(browser: Browser, reports: dict[str, Path]) -> None:
    with opened(browser, reports["hostile"]) as watched:
        page = watched.page
        assert page.locator("h1").count() == 1
        assert page.locator("h2").all_inner_texts() == [
            "Completeness",
            "Totals",
            "Containers",
            "Timeline",
            "System calls",
            "Directories",
            "Files",
            "Misses",
            "Processes",
            "Recording",
        ]
        numbers = dict(
            zip(
                page.locator(".numbers dt").all_inner_texts(),
                page.locator(".numbers dd").all_inner_texts(),
                strict=True,
            )
        )
        assert numbers["events"] == "32"
        assert numbers["files asked for"] == "25"
        assert numbers["calls lost"] == "7"
        assert numbers["paths unreadable"] == "1"


@pytest.mark.parametrize("section", ["containers", "timeline", "syscalls", "misses"])
@pytest.mark.parametrize("width", [1280, 375])
def test_pictures_are_drawn(
    browser: Browser, reports: dict[str, Path], section: str, width: int
) -> None:
    """Bars have an area and a colour; just the picture that fits is shown."""
    with opened(browser, reports["hostile"], viewport={"width": width, "height": 800}) as watched:
        pictures = watched.page.locator(f"#{section} figure svg:visible")
        assert pictures.count() == 1
        marks = pictures.locator("[aria-roledescription=bar], [aria-roledescription='rect mark']")
        boxes = marks.evaluate_all(
            "marks => marks.map(mark => [mark.getBoundingClientRect().width, "
            "mark.getBoundingClientRect().height, getComputedStyle(mark).fill])"
        )
        drawn = [fill for wide, high, fill in boxes if wide > 0.5 and high > 0.5]
        assert drawn
        assert all(fill.startswith("rgb") for fill in drawn)
        pictures.hover()
        watched.page.mouse.move(*middle(marks.first.bounding_box()))
        assert "calls" in watched.page.inner_text(".tip")


def middle(box: Any) -> tuple[float, float]:
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def test_names_do_nothing_and_are_all_there(browser: Browser, reports: dict[str, Path]) -> None:
    with opened(browser, reports["hostile"]) as watched:
        page = watched.page
        assert page.title() == "Files used by <b>web</b>, tool"
        listed = names(page)
        expected = {f"/srv/{shown}" for shown in HOSTILE.values()}
        expected |= {f"/srv/{shown}/deeper" for shown in HOSTILE.values()}
        expected |= {NOT_UTF8_SHOWN, "/opt/missing.so", "/opt/secret", "/opt/blocked", "/bin/tool"}
        assert set(listed) == expected
        assert len(listed) == len(expected)
        for button in page.locator("#file-rows th button").all():
            button.click()
        page.get_by_role("button", name="srv/ 21 files").click()
        for name in page.locator("#directory-areas button").all_inner_texts():
            assert name
        scripts = page.locator("script").count()
        assert (scripts, page.locator("img, iframe, object, embed, b").count()) == (2, 0)
        assert page.title() == "Files used by <b>web</b>, tool"
        assert watched.said == []


@pytest.mark.parametrize("width", [1280, 800])
def test_columns_say_what_was_found(browser: Browser, reports: dict[str, Path], width: int) -> None:
    """Files or calls; and the names of columns fit, with the mark of the order too."""
    with opened(browser, reports["hostile"], viewport={"width": width, "height": 800}) as watched:
        page = watched.page
        for section, files, calls in (
            ("containers", True, False),
            ("directories", True, False),
            ("syscalls", False, True),
            ("files", False, True),
            ("misses", False, True),
            ("processes", False, True),
        ):
            columns = page.locator(f"#{section} thead th").all_text_contents()
            assert ("files found" in columns, "calls found" in columns) == (files, calls), section
            assert "found" not in columns
        header = page.locator("#files th[data-column=misses]")
        header.get_by_role("button").click()
        screenshot(page, f"sorted-{width}")
        assert header.evaluate("one => one.firstChild.scrollWidth <= one.clientWidth")


def test_search_filter_and_sort(browser: Browser, reports: dict[str, Path]) -> None:
    with opened(browser, reports["sample"]) as watched:
        page = watched.page
        report = Capture.sample().replay().report().containers[0]
        assert count(page) == "100 of 100 files"
        page.fill("#file-search", "JSON py")
        wanted = [name for name in report.files if "json" in name.lower() and "py" in name]
        assert names(page) == wanted
        assert count(page) == f"{len(wanted)} of 100 files"
        page.fill("#file-search", "no such file")
        assert names(page) == []
        assert count(page) == "0 of 100 files"
        page.get_by_role("button", name="Clear").click()
        page.select_option("#file-outcome", "missed")
        assert count(page) == f"{100 - len(report.found_files)} of 100 files"
        page.select_option("#file-outcome", "all")
        header = page.locator("th[data-column=events]")
        header.get_by_role("button").click()
        assert header.get_attribute("aria-sort") == "descending"
        events = page.locator("#file-rows td.number:not(.minor)").all_inner_texts()
        assert list(map(int, events)) == sorted(map(int, events), reverse=True)
        header.get_by_role("button").click()
        assert header.get_attribute("aria-sort") == "ascending"
        assert page.locator("th[aria-sort]").count() == 1


def test_the_details_of_a_file(browser: Browser, reports: dict[str, Path]) -> None:
    with opened(browser, reports["hostile"]) as watched:
        page = watched.page
        page.get_by_role("button", name="/opt/missing.so").click()
        facts = page.locator("#file-detail dl > *").all_inner_texts()
        said = dict(zip(facts[::2], facts[1::2], strict=True))
        assert said == {
            "file": "/opt/missing.so",
            "container": "<b>web</b>",
            "events": "5",
            "calls found": "0",
            "calls missed": "5",
            "first at, s": "21.000",
            "calls": "openat",
        }


def test_a_name_of_two_containers_is_one_file(
    browser: Browser, record: Record, tmp_path: Path
) -> None:
    events = [
        {"path": "/etc/hosts", "ret": -2},
        {"path": "/etc/hosts", "cgroup_id": 2},
        {"path": "/etc/x", "ret": -2},
    ]
    containers = [{"cgroup_id": n, "name": f"c{n}", "cgroup_path": f"/{n}"} for n in (1, 2)]
    write_page(Capture(record(events, containers=containers)).replay(), tmp_path / "page.html")
    with opened(browser, tmp_path / "page.html") as watched:
        page = watched.page
        assert "asked for 2 files: 1 found at least once, 1 never" in page.inner_text("header")
        assert page.inner_text("#directory-words").startswith("/: 2 files in 1 place;")
        area = page.locator("#directory-areas button[aria-label^='etc/']")
        assert area.get_attribute("title") == "2 files, 1 found"
        assert count(page) == "3 of 3 rows"


def test_directories_are_looked_into_with_the_keyboard(
    browser: Browser, reports: dict[str, Path]
) -> None:
    with opened(browser, reports["sample"]) as watched:
        page = watched.page
        for name in ("usr", "lib", "python3.11", "json"):
            button = page.locator(f"#directory-areas button[aria-label^='{name}/']")
            button.focus()
            page.keyboard.press("Enter")
        assert page.locator("#directory-path li").all_inner_texts() == [
            "/",
            "usr/",
            "lib/",
            "python3.11/",
            "json/",
        ]
        current = page.locator("#directory-path [aria-current=location]")
        assert current.evaluate("button => button === document.activeElement")
        files = Capture.sample().replay().report().containers[0].files
        below = [one for one in files if one.startswith("/usr/lib/python3.11/json/")]
        words = page.inner_text("#directory-words")
        assert words.startswith(f"/usr/lib/python3.11/json/: {len(below)} files")
        areas = page.locator("#directory-areas > *")
        boxes = areas.evaluate_all("all => all.map(one => one.offsetWidth * one.offsetHeight)")
        whole = page.locator("#directory-areas").evaluate(
            "one => one.offsetWidth * one.offsetHeight"
        )
        assert sum(boxes) == pytest.approx(whole, rel=0.03)
        page.get_by_role("button", name="Show these files").click()
        assert names(page) == below
        assert count(page).endswith("under /usr/lib/python3.11/json/")
        page.locator("#directory-path button").first.click()
        assert page.inner_text("#directory-words").startswith("/: 100 files")


def test_a_hundred_thousand_files_stay_quick(browser: Browser, large: Path) -> None:
    """What is in the document does not grow with the number of files."""
    assert large.stat().st_size < 5_000_000
    with opened(browser, large) as watched:
        page = watched.page
        assert count(page) == "100,000 of 100,000 files"
        assert page.locator("#file-rows tr").count() < 80
        page.fill("#file-search", "package0042 module_0")
        assert count(page) == "100 of 100,000 files"
        page.fill("#file-search", "")
        page.locator("th[data-column=name] button").click()
        scroller = page.locator("#file-scroll")
        scroller.evaluate("one => one.scrollTop = one.scrollHeight")
        expect(page.locator("#file-rows th button").first).to_contain_text("package0000")
        last = page.locator("#file-rows tr[aria-rowindex]").last
        assert last.get_attribute("aria-rowindex") == str(MANY + 1)
        assert page.locator("#file-rows tr").count() < 80
        screenshot(page, "large")
        assert watched.said == []


def test_fifty_thousand_long_names_fit(record: Record) -> None:
    """Names that share nothing, 60 letters each: nothing for compression to save."""
    from random import Random

    letters = Random(1)
    events = [{"path": f"/data/{letters.getrandbits(240):060x}"} for _ in range(50_000)]
    assert len(rendered(Capture(record(events)).replay())) < 5_000_000


def test_a_capture_without_events_has_a_page(
    browser: Browser, record: Record, tmp_path: Path
) -> None:
    path = tmp_path / "empty.html"
    write_page(Capture(record([])).replay(), path)
    with browser.new_context() as context:
        page = context.new_page()
        page.goto(path.as_uri())
        assert "no events were recorded" in page.inner_text("#completeness")


def test_another_section_can_be_added() -> None:
    more = Section("totals", "More", {"numbers": {"<i>": 1}, "apart": {}, "lacks": {}})
    text = rendered(Capture.sample().replay(), [more])
    assert text.index('<h2 id="totals-title">More</h2>') > text.index("recording-title")
    assert "<dt>&lt;i&gt;</dt>" in text


def test_the_policy_allows_nothing_but_what_is_inside() -> None:
    text = rendered(Capture.sample().replay())
    policy = text.split('Content-Security-Policy" content="')[1].split('"')[0]
    assert "default-src &#39;none&#39;" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert json.dumps(text).count("<script") == 2


def test_a_page_is_the_same_every_time() -> None:
    assert rendered(Capture.sample().replay()) == rendered(Capture.sample().replay())
