# SPDX-License-Identifier: Apache-2.0
"""What a replay is asked for, and what that means in SQL."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from numbers import Integral
from typing import Any, Final

from snoop_analysis.errors import OptionError
from snoop_analysis.names import name_of
from snoop_analysis.sqltext import any_of, literal

_MOST: Final = (1 << 63) - 1  # what SQL and NumPy count with
DEFAULT_EXCLUDE: Final = ("/proc/", "/sys/", "/dev/")


@dataclass(frozen=True, slots=True)
class Settings:
    """What a replay is asked for; ``Capture.replay`` says what each means.

    Raises:
        OptionError: a value that cannot be.
    """

    exclude: tuple[str, ...] = DEFAULT_EXCLUDE
    max_unique_files: int = 0
    syscalls: tuple[str, ...] | None = None
    containers: tuple[str | int, ...] | None = None
    since: datetime | None = None
    until: datetime | None = None
    found_only: bool = False

    def __post_init__(self) -> None:
        if self.max_unique_files < 0:
            raise OptionError("max_unique_files cannot be negative; 0 means no bound")
        if self.max_unique_files > _MOST:
            raise OptionError(
                f"max_unique_files cannot be {self.max_unique_files}: it is at most {_MOST}; "
                "0 means no bound"
            )
        for prefix in self.exclude:
            if prefix and not prefix.startswith("/"):
                raise OptionError(
                    f"exclude has {prefix!r}, but paths begin with /: write {'/' + prefix!r}"
                )

    def as_dict(self) -> dict[str, Any]:
        """The settings as a report has them; times in RFC 3339."""
        said = asdict(self)
        for name in ("since", "until"):
            said[name] = said[name] and said[name].isoformat()
        return {
            name: list(value) if isinstance(value, tuple) else value for name, value in said.items()
        }

    def event_tests(self, dated: bool) -> list[str]:
        """SQL conditions that every event of the replay meets.

        Args:
            dated: whether all events have a time. Only such conditions let DuckDB pass over what
                lies outside of the time asked for; else an event without one counts.
        """
        return self._tests("ts", "ts", dated)

    def summary_tests(self) -> list[str]:
        """SQL conditions for the rows of a summary that may tell of events of the replay."""
        return self._tests("first_seen", "last_seen", dated=False)

    def outside(self) -> str:
        """The SQL condition for times ``first`` to ``last`` that may be others than asked for."""
        tests = []
        if self.since is not None:
            tests.append(f"coalesce(first < {_time(self.since)}, TRUE)")
        if self.until is not None:
            tests.append(f"coalesce(last >= {_time(self.until)}, TRUE)")
        return any_of(tests)

    def _tests(self, first: str, last: str, dated: bool) -> list[str]:
        """SQL conditions for a row whose times go from column ``first`` to ``last``."""
        tests = []
        if self.syscalls is not None:
            tests.append(any_of([f"syscall = {literal(name)}" for name in self.syscalls]))
        if self.since is not None:
            tests.append(_in_time(f"{last} >= {_time(self.since)}", last, dated))
        if self.until is not None:
            tests.append(_in_time(f"{first} < {_time(self.until)}", first, dated))
        if self.found_only:
            tests.append("ret >= 0")
        return tests

    def excluded(self) -> str:
        """The SQL condition for a name ``file`` that is excluded."""
        prefixes = [literal(name_of(prefix)) for prefix in self.exclude if prefix]
        return any_of([f"starts_with(file, {prefix})" for prefix in prefixes])


def listed(name: str, given: Sequence[Any], *kinds: type) -> tuple[Any, ...]:
    """A list that a setting takes, of values of some kinds.

    Raises:
        OptionError: it is none. Text by itself is no list, though Python takes it for its letters.
    """
    if isinstance(given, str | bytes | int):
        raise OptionError(f"{name} is a list: write {name}=[{given!r}]")
    if not isinstance(given, Iterable):
        raise OptionError(f"{name} is a list, and not {given!r}: write {name}=[] for none")
    values = tuple(given)
    for one in values:
        if not isinstance(one, kinds):
            allowed = " or ".join(kind.__name__ for kind in kinds)
            raise OptionError(f"{name} has {one!r}, which is no {allowed}")
    return values


def whole(name: str, given: object) -> int:
    """A whole number that a setting takes.

    Raises:
        OptionError: it is none. Nor is True, though Python takes it for 1.
    """
    if isinstance(given, bool) or not isinstance(given, Integral):
        raise OptionError(f"{name} is a whole number, and not {given!r}")
    return int(given)


def _in_time(test: str, column: str, dated: bool) -> str:
    """A condition for a time, which one that is not known meets."""
    return test if dated else any_of([test, f"{column} IS NULL"])


def _time(time: datetime) -> str:
    return f"{literal(time.isoformat())}::TIMESTAMPTZ"
