# SPDX-License-Identifier: Apache-2.0
"""Makes the pictures of the README from a real recording, as root.

python -m docs.screenshots [DIRECTORY], in the checkout; without DIRECTORY into docs/pictures/.
"""

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from tests.look.browser import chromium, opened

BIN: Final = Path(sys.executable).parent
PICTURES: Final = Path(__file__).parent / "pictures"
PROGRAM: Final = """
for n in 1 2 3; do
  /usr/bin/python3 -c "import asyncio, email.message, http.server, sqlite3, ssl, xml.dom.minidom"
done
/usr/bin/perl -MJSON::PP -MData::Dumper -e1
"""
WIDTH: Final = 1024
HEIGHT: Final = 1060


def record(directory: Path) -> Path:
    """The HTML report of a recording."""
    capture, report = directory / "capture", directory / "report.html"
    run: list[str | Path] = [
        BIN / "snoop-capture",
        "run",
        "-o",
        capture,
        "--",
        "/bin/sh",
        "-c",
        PROGRAM,
    ]
    subprocess.run(run, cwd="/", check=True)
    subprocess.run([BIN / "snoop-analyze", capture, "--html", report], check=True)
    return report


def main() -> None:
    """Two pictures: the head of the report by day, its directories and files by night."""
    target = Path(sys.argv[1]) if len(sys.argv) > 1 else PICTURES
    context: dict[str, Any] = {
        "viewport": {"width": WIDTH, "height": HEIGHT},
        "reduced_motion": "reduce",
    }
    with TemporaryDirectory() as directory, chromium() as browser:
        report = record(Path(directory))
        with opened(browser, report, **context) as watched:
            watched.page.screenshot(path=target / "report.png")
        with opened(browser, report, **context, color_scheme="dark") as watched:
            page = watched.page
            for name in ("usr", "lib", "python3.11"):
                page.locator(f"#directory-areas button[aria-label^='{name}/']").click()
            page.mouse.move(0, 0)
            page.evaluate("document.activeElement.blur()")
            page.evaluate("document.getElementById('directories').scrollIntoView()")
            page.screenshot(path=target / "files.png")


if __name__ == "__main__":
    main()
