# SPDX-License-Identifier: Apache-2.0
"""Text for a terminal: names from a capture cannot move its cursor or change its colours."""

import json
import re
from collections.abc import Iterable, Sequence
from typing import Final
from unicodedata import category

_MARKS: Final = 4  # on one letter; no script needs more, and a pile of them covers other lines
_NOT_ASCII: Final = re.compile(r"[^\x00-\x7f]+")
_RARE: Final = re.compile(r"[^\n -~]+")
_DELETE: Final = "\x7f"


def printable(value: object) -> str:
    r"""``value`` as text on one line in which every letter can be seen.

    Control characters, escapes, invisible and direction-changing letters, and marks piled up on
    one letter, stand as Python takes them in a string literal; beyond ASCII with ``\u``, for
    ``\x`` is a byte that is not UTF-8.
    """
    text = "" if value is None else str(value)
    if text.isascii() and text.isprintable():
        return text
    seen = "".join(letter if letter.isprintable() else _escaped(letter) for letter in text)
    return _NOT_ASCII.sub(lambda run: _without_piles(run[0]), seen)


def _without_piles(text: str) -> str:
    """``text`` with no more than ``_MARKS`` marks on a letter; the others escaped."""
    shown = []
    marks = 0
    for letter in text:
        marks = marks + 1 if category(letter) in ("Mn", "Me") else 0
        shown.append(letter if marks <= _MARKS else _escaped(letter))
    return "".join(shown)


def _escaped(letter: str) -> str:
    if "\x7f" < letter <= "\xff":
        return f"\\u{ord(letter):04x}"
    return letter.encode("unicode_escape").decode("ascii")


def visible_json(text: str, encoding: str | None = None) -> str:
    """JSON that means the same as ``text``, in which every letter can be seen.

    Args:
        text: JSON; what cannot be seen stands in its strings alone.
        encoding: of the file it is written to; what that does not know is escaped, too.
    """
    if text.isascii() and _DELETE not in text:  # json.dumps has escaped the other controls
        return text
    only_ascii = encoding is not None and not encoding.lower().startswith("utf")

    def escaped(run: re.Match[str]) -> str:
        if run[0].isprintable() and not only_ascii:
            return run[0]
        return "".join(
            one if one.isprintable() and not only_ascii else json.dumps(one)[1:-1] for one in run[0]
        )

    return _RARE.sub(escaped, text)


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
