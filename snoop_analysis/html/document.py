# SPDX-License-Identifier: Apache-2.0
"""The page: sections under each other, with style and scripts inside, in one file.

It opens from a disk, and asks for nothing: its Content-Security-Policy allows no request at all,
and no script or style but those that are in it, by their hashes. What comes from the capture is
either escaped text or base64 (``html/packing.py``), so none of it can become markup.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from hashlib import sha256
from importlib import import_module
from importlib.resources import files
from typing import TYPE_CHECKING, Final

from markupsafe import Markup

from snoop_analysis.html.heading import lead, title
from snoop_analysis.html.section import Section, Source
from snoop_analysis.html.templates import TEMPLATES
from snoop_analysis.replacing import AnyPath, replaced

if TYPE_CHECKING:
    from snoop_analysis.replay import Replay

# Modules of html/sections/, in the order of the page.
SECTIONS: Final = (
    "completeness",
    "totals",
    "containers",
    "timeline",
    "syscalls",
    "directories",
    "files",
    "misses",
    "processes",
    "recording",
)
_SCRIPTS: Final = ("packing", "directories", "files", "tips", "main")


def page(replay: Replay, more: Sequence[Section] = ()) -> str:
    """The page about a replay.

    Args:
        replay: what it is about.
        more: sections to put behind its own.

    Raises:
        OptionError: the replay went on from a state: its sections would contradict each other.
    """
    replay.check_has_all_events("a page")
    source = Source(replay)
    modules = [import_module(f"snoop_analysis.html.sections.{name}") for name in SECTIONS]
    made = [module.section(source) for module in modules]
    style = _file("style.css")
    script = "\n".join(_file(f"scripts/{name}.js") for name in _SCRIPTS)
    return TEMPLATES.get_template("page.html").render(
        title=title(source.report),
        lead=lead(source.report),
        sections=[*filter(None, made), *more],
        policy=_policy(style, script),
        style=Markup(style),
        script=Markup(script),
    )


def write_page(replay: Replay, path: AnyPath, more: Sequence[Section] = ()) -> None:
    """Write the page; ``path`` holds the old file or the whole new one.

    Raises:
        OptionError: the replay went on from a state.
        OSError: it cannot be written.
    """
    text = page(replay, more)
    with replaced(path) as target:
        target.write_text(text, encoding="utf-8")


def _policy(style: str, script: str) -> str:
    return (
        f"default-src 'none'; style-src {_hash(style)}; script-src {_hash(script)}; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


def _file(name: str) -> str:
    return files("snoop_analysis").joinpath("html", name).read_text(encoding="utf-8")
