# SPDX-License-Identifier: Apache-2.0
"""What an object says of itself: what is missing first, then sentences, then tables."""

from collections.abc import Sequence
from dataclasses import dataclass

from snoop_analysis.display.cells import cell, is_number
from snoop_analysis.terminal import table


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under column names; ``note`` stands below them."""

    columns: Sequence[str]
    rows: Sequence[Sequence[object]]
    note: str = ""

    def text(self) -> str:
        """The table for a terminal."""
        return "\n".join(filter(None, (table(self.columns, map(_plain, self.rows)), self.note)))


@dataclass(frozen=True, slots=True)
class Description:
    """``missing`` are sentences about what a recording lacks, ``lines`` the others."""

    missing: Sequence[str]
    lines: Sequence[str]
    tables: Sequence[Table]

    def text(self) -> str:
        """All of it for a terminal."""
        marked = [f"! {sentence}" for sentence in self.missing]
        return "\n".join([*marked, *self.lines, *(one.text() for one in self.tables)])

    def html(self) -> str:
        """All of it for a notebook."""
        from snoop_analysis.html.templates import TEMPLATES

        return TEMPLATES.get_template("description.html").render(description=self)


def _plain(row: Sequence[object]) -> list[object]:
    """Numbers stay, to stand to the right; anything else is text."""
    return [value if is_number(value) or value is None else cell(value) for value in row]
