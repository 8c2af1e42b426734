# SPDX-License-Identifier: Apache-2.0
"""Names as pictures show them."""

from typing import Final

from snoop_analysis.terminal import printable

# Vega keeps names as keys of plain JavaScript objects, where these are taken: a bar called
# ``constructor`` fails to be drawn. With a space behind they are free, and look the same.
_TAKEN: Final = frozenset(
    {
        "constructor",
        "hasOwnProperty",
        "isPrototypeOf",
        "propertyIsEnumerable",
        "toLocaleString",
        "toString",
        "valueOf",
        "__defineGetter__",
        "__defineSetter__",
        "__lookupGetter__",
        "__lookupSetter__",
        "__proto__",
    }
)


def label(name: object) -> str:
    """``name`` on one line, with nothing in it that acts on what draws it."""
    text = printable(name)
    return f"{text} " if text.rstrip(" ") in _TAKEN else text
