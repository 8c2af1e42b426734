# SPDX-License-Identifier: Apache-2.0
"""What ``session.json`` holds, value by value: of the kind that the format says, or damage."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from snoop_analysis.errors import CaptureError

_MOST: Final = (1 << 63) - 1  # what SQL and NumPy count with


@dataclass(frozen=True, slots=True)
class Fields:
    """A table of ``session.json``. A field that is absent or null is null, or holds nothing.

    A field that holds something else than it may is refused: taken for nothing, it would hide what
    the recording lacks.

    Attributes:
        path: the file.
        values: the table.
        place: what stands before the names of its fields, ``io_uring.`` for one.
    """

    path: Path
    values: dict[str, Any]
    place: str = ""

    def number(self, name: str, most: int = _MOST) -> int | None:
        """A whole number up to ``most``.

        Raises:
            CaptureError: it is none.
        """
        value = self.values.get(name)
        if value is not None and not _is_number(value, most):
            raise self.damage(f"{self.place}{name} is not a whole number from 0 to {most}")
        return value

    def count(self, name: str) -> int:
        """A number of things; 0 where it is not said.

        Raises:
            CaptureError: it is none.
        """
        return self.number(name) or 0

    def counts(self, name: str) -> dict[str, int]:
        """Numbers of things by their cause.

        Raises:
            CaptureError: it is no table of such.
        """
        value = self.values.get(name)
        if value is None:
            return {}
        if not isinstance(value, dict) or not all(_is_number(one, _MOST) for one in value.values()):
            raise self.damage(f"{self.place}{name} is not a table of counts by cause")
        return {text_of(cause) or "": count for cause, count in value.items()}

    def flag(self, name: str) -> bool | None:
        """True or false.

        Raises:
            CaptureError: it is neither.
        """
        value = self.values.get(name)
        if value is not None and not isinstance(value, bool):
            raise self.damage(f"{self.place}{name} is neither true nor false")
        return value

    def time(self, name: str) -> datetime | None:
        """A time.

        Raises:
            CaptureError: it is none.
        """
        value = self.values.get(name)
        time = time_of(value)
        if value is not None and time is None:
            raise self.damage(f"{self.place}{name} is not a time like 2026-01-31T12:00:00Z")
        return time

    def table(self, name: str) -> "Fields":
        """A table.

        Raises:
            CaptureError: it is none.
        """
        value = self.values.get(name)
        if value is not None and not isinstance(value, dict):
            raise self.damage(f"{self.place}{name} is not a table")
        return Fields(self.path, value or {}, f"{self.place}{name}.")

    def tables(self, name: str) -> list["Fields"]:
        """A list of tables.

        Raises:
            CaptureError: it is none.
        """
        value = [] if self.values.get(name) is None else self.values[name]
        if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
            raise self.damage(f"{self.place}{name} is not a list of tables")
        return [
            Fields(self.path, one, f"{self.place}{name}[{place}].")
            for place, one in enumerate(value)
        ]

    def text(self, name: str) -> str | None:
        """A text; null where it is none: what a name says decides nothing."""
        return text_of(self.values.get(name))

    def damage(self, what: str) -> CaptureError:
        """The error that says what is wrong."""
        return CaptureError(f"{self.path} is damaged: {what}")


def _is_number(value: object, most: int) -> bool:
    return type(value) is int and 0 <= value <= most


def text_of(value: object) -> str | None:
    """Text that UTF-8 can say: JSON also has halves of surrogate pairs."""
    return value.encode(errors="replace").decode() if isinstance(value, str) and value else None


def time_of(value: object) -> datetime | None:
    """An RFC 3339 time; null where the value is none (the report then says less)."""
    if not isinstance(value, str):
        return None
    try:
        time = datetime.fromisoformat(value)
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):  # also a time before the year 1 or after 9999 in UTC
        return None
