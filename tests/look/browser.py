# SPDX-License-Identifier: Apache-2.0
"""A page in Debian's chromium, watched: what it logs, what fails in it, what it asks for."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from playwright.sync_api import Browser, Page, sync_playwright

ROOT: Final = Path(__file__).parents[2]
SCREENSHOTS: Final = ROOT / "build/screenshots"


@contextmanager
def chromium() -> Iterator[Browser]:
    """The browser; chromium has no sandbox for root."""
    executable = shutil.which("chromium")
    assert executable, "chromium is missing: apt-get install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=executable, args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        yield browser
        browser.close()


@dataclass
class Watched:
    """A page, with everything it said and asked for."""

    page: Page
    said: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)


@contextmanager
def opened(browser: Browser, report: Path, **context: Any) -> Iterator[Watched]:
    """``report`` from the disk, ready."""
    options: dict[str, Any] = {"viewport": {"width": 1280, "height": 900}} | context
    with browser.new_context(**options) as made:
        watched = Watched(made.new_page())
        watched.page.on("console", lambda message: watched.said.append(message.text))
        watched.page.on("pageerror", lambda error: watched.said.append(str(error)))
        watched.page.on("request", lambda request: watched.requests.append(request.url))
        watched.page.goto(report.as_uri())
        watched.page.wait_for_selector("html[data-ready]", state="attached")
        yield watched


def screenshot(page: Page, name: str) -> None:
    """Keep a picture of the whole page, as an artefact of the test run."""
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SCREENSHOTS / f"{name}.png", full_page=True)
