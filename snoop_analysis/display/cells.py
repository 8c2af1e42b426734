# SPDX-License-Identifier: Apache-2.0
"""Values of a capture as text for people."""

from datetime import UTC, datetime

from snoop_analysis.names import shown
from snoop_analysis.terminal import printable


def cell(value: object) -> str:
    """``value`` as text on one line; nothing in it can act on a terminal or be taken for markup.

    Markup has still to be escaped: templates do so.
    """
    if isinstance(value, bool) or value is None:
        return "" if value is None else str(value).lower()
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.3f}"
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(" ").replace("+00:00", "Z")
    if isinstance(value, list | tuple):
        return " ".join(map(cell, value))
    if isinstance(value, bytes):
        return value.hex()
    return printable(shown(str(value)))


def shortened(text: str, letters: int = 60) -> str:
    """``text``, with its middle left out where it has more than ``letters``."""
    if len(text) <= letters:
        return text
    end = (letters - 1) // 2
    return f"{text[: letters - 1 - end]}…{text[-end:]}"


def counted(number: int, what: str) -> str:
    """A number of things: ``1 file``, ``2,000 files``."""
    return f"{number:,} {what}" + ("" if number == 1 else "s")


def is_number(value: object) -> bool:
    """Whether a value stands to the right of its column."""
    return isinstance(value, int | float) and not isinstance(value, bool)
