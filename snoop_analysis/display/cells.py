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


def is_number(value: object) -> bool:
    """Whether a value stands to the right of its column."""
    return isinstance(value, int | float) and not isinstance(value, bool)
