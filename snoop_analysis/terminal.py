# SPDX-License-Identifier: Apache-2.0
"""Text for a terminal: names from a capture cannot move its cursor or change its colours."""

from collections.abc import Iterable, Sequence


def printable(value: object) -> str:
    """``value`` as text on one line in which every letter can be seen.

    Control characters, escapes, invisible and direction-changing letters stand as Python would
    write them in a string literal.
    """
    text = "" if value is None else str(value)
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else _escaped(letter) for letter in text)


def _escaped(letter: str) -> str:
    return letter.encode("unicode_escape").decode("ascii")


def table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Rows under column names, numbers to the right; each line ends without spaces."""
    rows = list(rows)
    cells = [list(columns), *([_cell(value) for value in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    right = [
        bool(rows) and all(isinstance(row[index], int | float | None) for row in rows)
        for index in range(len(columns))
    ]
    return "\n".join(_line(line, widths, right) for line in cells)


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.3f}"
    return printable(value)


def _line(cells: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    parts = (
        cell.rjust(width) if to_the_right else cell.ljust(width)
        for cell, width, to_the_right in zip(cells, widths, right, strict=True)
    )
    return "  ".join(parts).rstrip()
