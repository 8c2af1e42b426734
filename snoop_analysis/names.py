# SPDX-License-Identifier: Apache-2.0
r"""Names of files between their three forms.

``name``   what the replay works on (sql/normalise.sql): text in which a byte that is not UTF-8
           stands as NUL and two hexadecimal digits
``bytes``  what the kernel knows
``shown``  what a report prints: a byte that is not UTF-8 as ``\xff``
"""

import re
from typing import Final

_STRAY: Final = re.compile("\0(..)")


def is_exact(name: str) -> bool:
    """Whether ``name`` is valid UTF-8, so that all its forms are the same."""
    return "\0" not in name


def name_of(path: str) -> str:
    """The name of a path as Python has it from a command line (PEP 383 surrogates)."""
    return "".join(
        f"\0{ord(letter) - 0xDC00:02X}" if 0xDC80 <= ord(letter) <= 0xDCFF else letter
        for letter in path
    )


def name_to_bytes(name: str) -> bytes:
    """The bytes of the path with this name."""
    return b"".join(
        bytes.fromhex(piece) if number % 2 else piece.encode()
        for number, piece in enumerate(_STRAY.split(name))
    )


def text_in_image(name: str) -> str:
    """A name as text of an image, which has stray bytes as ``surrogateescape`` does: image.tree."""
    return name_to_bytes(name).decode(errors="surrogateescape")


def shown(name: str) -> str:
    """The name as a report prints it.

    In a name with stray bytes a backslash is doubled, so that two such names never look alike.
    """
    return name if is_exact(name) else escaped(name)


def escaped(name: str) -> str:
    """The name with its stray bytes and all backslashes escaped: two names never look alike."""
    return _STRAY.sub(lambda stray: "\\x" + stray[1].lower(), name.replace("\\", "\\\\"))
