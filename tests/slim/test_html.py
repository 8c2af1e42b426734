# SPDX-License-Identifier: Apache-2.0
"""The section about an image in the page to look at."""

from pathlib import Path

from click.testing import CliRunner

from snoop_analysis.cli import cli
from tests.analysis.conftest import write_session
from tests.slim.images import entry, layer

HOSTILE = "<img src=x onerror=alert(1)>"


def test_the_page_has_the_image_with_doubts_before_all_else(tmp_path: Path) -> None:
    image = tmp_path / "image.tar"
    package = f'{{"name": "{HOSTILE}"}}'.encode()
    image.write_bytes(
        layer(
            [
                entry("app/used", bytes(5_000)),
                entry(f"opt/{HOSTILE}/x", bytes(9_000)),
                entry("srv/node_modules/pack/package.json", package),
            ]
        )
    )
    capture = write_session(tmp_path / "capture", [{"path": "/app/used"}], losses={"busy": 7})
    page = tmp_path / "page.html"
    words = ["unused", str(capture), "--image", str(image), "--html", str(page)]
    done = CliRunner().invoke(cli, words, catch_exceptions=False)
    assert done.exit_code == 0
    text = page.read_text()
    section = text[text.index('<section id="image"') :]
    assert "<li>7 events were lost while recording: busy 7</li>" in section
    assert section.index("Uncertain") < section.index("<table")
    for drawn in ("Bytes by directory", "Bytes by package", ">/app<", ">(no package)<"):
        assert drawn in section
    assert "<td>(no package)</td>" in section
    assert HOSTILE not in text
    assert HOSTILE.replace("<", "&lt;").replace(">", "&gt;") in section
