# SPDX-License-Identifier: Apache-2.0
"""What a section of the page is made from, and what it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from markupsafe import Markup

from snoop_analysis.html.templates import TEMPLATES

if TYPE_CHECKING:
    from snoop_analysis.replay import Replay
    from snoop_analysis.report import Report


@dataclass(frozen=True)
class Source:
    """What the page is about."""

    replay: Replay

    @cached_property
    def report(self) -> Report:
        """The report of the replay, made once."""
        return self.replay.report()

    @cached_property
    def began_us(self) -> int | None:
        """The time of the first event, in microseconds since 1970; None where none has one."""
        ((first_us,),) = self.replay.query("SELECT first_us FROM covered").fetchall()
        return first_us  # type: ignore[no-any-return]


@dataclass(frozen=True, slots=True)
class Section:
    """A section: ``name`` of its template and anchor, ``content`` that the template is given."""

    name: str
    title: str
    content: Mapping[str, object]

    def html(self) -> Markup:
        """The section without its heading."""
        template = TEMPLATES.get_template(f"sections/{self.name}.html")
        return Markup(template.render(self.content))
