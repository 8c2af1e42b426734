# SPDX-License-Identifier: Apache-2.0
"""Whatever a capture holds, there is a page and a picture of it that can be looked at."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser

from snoop_analysis import Capture
from snoop_analysis.commands.looks import PICTURES
from snoop_analysis.html.document import write_page
from snoop_analysis.plotting.saving import svg
from tests.look import strange
from tests.look.browser import chromium, opened, screenshot

NAMES = [make.__name__ for make in strange.CAPTURES]
LARGEST = 2_000_000


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def captures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Capture]:
    directory = tmp_path_factory.mktemp("strange")
    return {make.__name__: Capture(make(directory / make.__name__)) for make in strange.CAPTURES}


@pytest.fixture(scope="module")
def pages(
    captures: dict[str, Capture], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    directory = tmp_path_factory.mktemp("pages")
    paths = {name: directory / f"{name}.html" for name in captures}
    for name, path in paths.items():
        write_page(captures[name].replay(), path)
    return paths


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (375, "dark")])
@pytest.mark.parametrize("name", NAMES)
def test_the_page_is_in_order(
    browser: Browser, pages: dict[str, Path], name: str, width: int, scheme: str
) -> None:
    viewport = {"width": width, "height": 800}
    with opened(browser, pages[name], viewport=viewport, color_scheme=scheme) as watched:
        page = watched.page
        screenshot(page, f"strange-{name}-{scheme}-{width}")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.evaluate("document.documentElement.scrollHeight") < 10_000
        problems = Axe().run(page).response["violations"]
        assert not [(one["id"], one["nodes"][0]["target"]) for one in problems]
        assert page.locator("script").count() <= 2
        assert watched.said == []
        assert watched.requests == [pages[name].as_uri()]


@pytest.mark.parametrize("name", NAMES)
def test_the_page_is_small(pages: dict[str, Path], name: str) -> None:
    assert pages[name].stat().st_size < LARGEST


@pytest.mark.parametrize("picture", PICTURES)
@pytest.mark.parametrize("name", NAMES)
def test_every_picture_is_drawn(captures: dict[str, Capture], name: str, picture: str) -> None:
    drawn = svg(getattr(captures[name].plot, picture)())
    assert drawn.startswith("<svg ")
    assert len(drawn) < LARGEST


@pytest.mark.parametrize(
    ("name", "heading"),
    [
        ("empty", "Files used by app\nThe recording has no call of a known container."),
        (
            "one_event",
            "Files used by app\n1 recorded call asked for 1 file: 1 found at least once, 0 never.",
        ),
        ("many_containers", "Files used by service-000, service-001, service-002 and 497 more\n"),
        ("idle_parent", "Files used by web\n"),
        ("huge_names", f"Files used by {'n' * 30}…{'n' * 28}a, {'n' * 30}…{'n' * 28}b\n"),
    ],
)
def test_the_heading_says_it_in_a_sentence(
    browser: Browser, pages: dict[str, Path], name: str, heading: str
) -> None:
    with opened(browser, pages[name]) as watched:
        assert watched.page.inner_text("header").replace("\n\n", "\n").startswith(heading)


@pytest.mark.parametrize(
    ("name", "state", "sentence"),
    [
        ("empty", "noted", "no events were recorded"),
        ("one_event", "incomplete", "still being recorded, or the recorder was killed"),
        ("one_event", "incomplete", "Recorded at 2026-11-23 12:00:00 UTC."),
        ("monthly", "complete", "from 2024-01-03 00:00:00 to 2026-06-03 00:00:00 UTC, 882 days."),
        ("gaps", "incomplete", "1,234,570 events lost while recording"),
        ("gaps", "incomplete", "170 events missing from the sequence"),
        ("gaps", "incomplete", "1 path could not be read"),
        ("gaps", "incomplete", "1 relative path without a known directory"),
        ("gaps", "incomplete", "1 event of unknown containers"),
        ("jumped", "noted", "20 events with a time"),
    ],
)
def test_the_banner_says_what_is_wrong(
    browser: Browser, pages: dict[str, Path], name: str, state: str, sentence: str
) -> None:
    with opened(browser, pages[name]) as watched:
        assert sentence in watched.page.inner_text(f".banner.{state}")


def test_a_long_text_can_be_read_to_its_end(browser: Browser, pages: dict[str, Path]) -> None:
    with opened(browser, pages["huge_names"], viewport={"width": 375, "height": 800}) as watched:
        page = watched.page
        cell = page.locator("#containers td .long").first
        assert cell.inner_text() == strange.HUGE + "a"
        assert cell.evaluate("one => one.offsetHeight < 120 && one.tabIndex === 0")
        page.locator("#file-rows th button").first.click()
        detail = page.locator("#file-detail")
        assert strange.LONG in detail.inner_text()
        assert detail.evaluate("one => one.offsetHeight <= window.innerHeight / 2")


def test_marks_piled_on_a_letter_cover_nothing(browser: Browser, pages: dict[str, Path]) -> None:
    with opened(browser, pages["taken_names"]) as watched:
        name = "e" + "\u0301" * 4 + "\\u0301" * 36
        assert f"/{name}/{name}" in watched.page.locator("#file-rows th button").all_inner_texts()


def test_containers_that_look_the_same_are_told_apart(
    browser: Browser, pages: dict[str, Path]
) -> None:
    with opened(browser, pages["many_containers"]) as watched:
        options = watched.page.locator("#file-container option").all_inner_texts()
        assert len(set(options)) == len(options) == 1 + strange.MANY
