# SPDX-License-Identifier: Apache-2.0
"""SQL as text: the files of ``sql/``, and the one function that quotes a value into SQL."""

from functools import cache
from importlib.resources import files
from typing import Final

_OF_PATTERNS: Final = frozenset("*?[")


@cache
def statement(name: str) -> str:
    """The content of ``sql/<name>.sql``."""
    return files("snoop_analysis").joinpath("sql", f"{name}.sql").read_text(encoding="utf-8")


def literal(value: str | int) -> str:
    """``value`` as an SQL literal.

    A string literal of standard SQL ends at its first single quote that is not doubled, and knows
    no other escape, so doubling quotes is all there is to do. A NUL cannot stand in SQL text:
    it is put in with chr(0).
    """
    if isinstance(value, int):
        return str(value)
    pieces = ["'" + piece.replace("'", "''") + "'" for piece in value.split("\0")]
    return "(" + " || chr(0) || ".join(pieces) + ")" if len(pieces) > 1 else pieces[0]


def no_glob(path: str) -> str:
    """``path`` as a pattern that matches it alone: read_parquet takes patterns."""
    return "".join(f"[{letter}]" if letter in _OF_PATTERNS else letter for letter in path)


def has_pattern(path: str) -> bool:
    """Whether there is a pattern that matches ``path`` alone.

    In patterns, though not in mere paths, DuckDB takes a backslash for a slash.
    """
    return "\\" not in path or _OF_PATTERNS.isdisjoint(path)


def identifier(name: str) -> str:
    """``name`` as the name of a column."""
    return '"' + name.replace('"', '""') + '"'


def any_of(tests: list[str]) -> str:
    """The SQL condition that holds where one of ``tests`` holds."""
    return "(" + " OR ".join(tests) + ")" if tests else "FALSE"
