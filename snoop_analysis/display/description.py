# SPDX-License-Identifier: Apache-2.0
"""What an object says of itself: what is missing first, then sentences, then tables."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from snoop_analysis.display.cells import cell, is_number
from snoop_analysis.terminal import table

# Columns whose numbers are names: digits without commas.
_NAMES: Final = frozenset({"cgroup_id", "dev", "ino", "pid", "ppid", "tid", "uid", "user"})


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under column names; ``note`` stands below them."""

    columns: Sequence[str]
    rows: Sequence[Sequence[object]]
    note: str = ""

    def filled(self) -> "Table":
        """The table without the columns in which no row has anything."""
        kept = [
            place
            for place in range(len(self.columns))
            if not self.rows or any(row[place] is not None for row in self.rows)
        ]
        return replace(
            self,
            columns=[self.columns[place] for place in kept],
            rows=[[row[place] for place in kept] for row in self.rows],
        )

    @property
    def right(self) -> list[bool]:
        """For each column whether it has numbers, which stand to the right, and nothing else."""
        return [
            any(map(is_number, column)) and all(one is None or is_number(one) for one in column)
            for column in zip(*self.rows, strict=True)
        ] or [False] * len(self.columns)

    def texts(self) -> Iterator[list[str]]:
        """The rows as text for a page."""
        for row in self.rows:
            yield [
                str(value) if name in _NAMES and is_number(value) else cell(value)
                for name, value in zip(self.columns, row, strict=True)
            ]

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
