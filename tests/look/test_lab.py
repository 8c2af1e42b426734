# SPDX-License-Identifier: Apache-2.0
"""``make lab`` opens JupyterLab; it draws the pictures itself, and asks no other machine."""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.look.browser import ROOT, chromium, screenshot


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of JupyterLab, started as the Makefile does, on a copy of the notebooks.

    Also as root, and with options of one's own.
    """
    directory = tmp_path_factory.mktemp("lab")
    shutil.copytree(ROOT / "notebooks", directory / "notebooks")
    (command,) = (
        line
        for line in subprocess.run(
            ["make", "-n", "lab", "LAB_OPTIONS=--no-browser --port=0"],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        .stdout.replace("\\\n", " ")
        .splitlines()
        if "jupyter lab" in line
    )
    assert "--ServerApp.ip=127.0.0.1" in command
    words = [str(Path(sys.executable).with_name("jupyter")), *command.split()[1:]]
    log = directory / "log"
    environment = {
        **os.environ,
        "HOME": str(directory),
        "JUPYTER_RUNTIME_DIR": str(directory / "run"),
    }
    with log.open("w") as output:
        server = subprocess.Popen(words, cwd=directory, stderr=output, env=environment)
        try:
            yield _address(log)
        finally:
            server.terminate()
            server.wait(20)


def _address(log: Path) -> str:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        found = re.search(r"http://127\.0\.0\.1:\d+/lab\?token=\w+", log.read_text())
        if found:
            return found[0]
        time.sleep(0.2)
    raise AssertionError(log.read_text())


def test_jupyterlab_draws_the_pictures_without_a_network(lab: str) -> None:
    hosts: set[str | None] = set()
    with chromium() as browser, browser.new_context() as context:
        page = context.new_page()
        page.on("request", lambda request: hosts.add(urlsplit(request.url).hostname))
        page.goto(lab.replace("/lab?", "/lab/tree/01-first-look.ipynb?"))
        pictures = page.locator(".jp-RenderedVegaCommon5 canvas, .jp-RenderedVegaCommon5 svg")
        pictures.first.wait_for(timeout=60_000)
        page.locator(".jp-RenderedHTMLCommon table").first.wait_for()
        canvas = page.locator(".jp-Cell", has_text="replay.plot.directories()").locator("canvas")
        canvas.scroll_into_view_if_needed()
        tip = page.locator("#vg-tooltip-element.visible")
        for step in range(100):  # the page may still be moving: go on until one is over an area
            canvas.hover(position={"x": 80 + step, "y": 100})
            if tip.is_visible():
                break
        assert "directory" in tip.inner_text()
        screenshot(page, "jupyterlab")
    assert hosts - {None} == {"127.0.0.1"}
