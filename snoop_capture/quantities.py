# SPDX-License-Identifier: Apache-2.0
"""What options take, as people write it: sizes (``16M``), times (``15m``), addresses, places."""

import os
import re
from pathlib import Path
from typing import Any, Final, NamedTuple

import click

NEVER: Final = "none"

_SIZE_UNITS: Final = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_SIZE: Final = re.compile(r"\s*([0-9]+)([KMGT]?)(?:I?B)?\s*")
_TIME_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_TIME: Final = re.compile(r"\s*([0-9]+(?:\.[0-9]*)?|\.[0-9]+)\s*(ms|[smhd]?)\s*")
_ADDRESS: Final = re.compile(
    r"(?:\[(?P<v6>[0-9A-Fa-f:.%\w]+)\]|(?P<host>[\w.-]*)):(?P<port>[0-9]+)"
)
_LARGEST_PORT: Final = 65535


class Size(click.ParamType[int | None]):
    """A number of bytes, with K, M, G or T for powers of 1024.

    Args:
        least: the smallest that is allowed.
        most: the largest.
        or_none: whether ``none`` is allowed, for no such limit.
    """

    name = "size"

    def __init__(self, least: int = 0, most: int | None = None, or_none: bool = False) -> None:
        self._least = least
        self._most = most
        self._or_none = or_none

    def convert(
        self, value: str | int, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | None:
        """``"16M"`` → 16777216."""
        if self._or_none and value == NEVER:
            return None
        size = _SIZE.fullmatch(str(value).upper())
        if size is None:
            self.fail(
                f"{value!r} is not a size; give bytes, or for example 512K, 16M, 1G"
                + (f", or {NEVER}" if self._or_none else ""),
                param,
                ctx,
            )
        found = int(size[1]) * _SIZE_UNITS[size[2]]
        if found < self._least:
            self.fail(f"{value!r} is too small; give {size_text(self._least)} or more", param, ctx)
        if self._most is not None and found > self._most:
            self.fail(f"{value!r} is too large; give {size_text(self._most)} or less", param, ctx)
        return found


class Duration(click.ParamType[float | None]):
    """A time in seconds, or with its unit: ms, s, m, h or d.

    Args:
        least: the shortest that is allowed, in seconds.
        most: the longest.
        or_none: whether ``none`` is allowed, for no such limit.
    """

    name = "duration"

    def __init__(self, least: float, most: float, or_none: bool = False) -> None:
        self._least = least
        self._most = most
        self._or_none = or_none

    def convert(
        self, value: str | float, param: click.Parameter | None, ctx: click.Context | None
    ) -> float | None:
        """``"15m"`` → 900.0."""
        if self._or_none and value == NEVER:
            return None
        time = _TIME.fullmatch(str(value))
        if time is None:
            self.fail(
                f"{value!r} is not a time; give seconds, or for example 500ms, 30s, 15m, 24h, 7d"
                + (f", or {NEVER}" if self._or_none else ""),
                param,
                ctx,
            )
        found = float(time[1]) * _TIME_UNITS[time[2] or "s"]
        if not self._least <= found <= self._most:
            bounds = f"{duration_text(self._least)} to {duration_text(self._most)}"
            self.fail(f"{value!r} is not within {bounds}", param, ctx)
        return found


class Address(NamedTuple):
    """Where to listen."""

    host: str
    """A name or an address of this machine; empty: all of them."""
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


class ListenAddress(click.ParamType[Address | None]):
    """HOST:PORT, :PORT for all addresses of this machine, nothing for nowhere."""

    name = "address"

    def convert(
        self, value: str | Address, param: click.Parameter | None, ctx: click.Context | None
    ) -> Address | None:
        """``"[::1]:7667"`` → ``Address("::1", 7667)``; ``""`` → None."""
        if isinstance(value, Address) or not value:
            return value or None
        address = _ADDRESS.fullmatch(value)
        if address is None or int(address["port"]) > _LARGEST_PORT:
            self.fail(
                f"{value!r} is not an address; give HOST:PORT (127.0.0.1:7667, [::1]:7667), :PORT "
                'for all addresses of this machine, or "" for none',
                param,
                ctx,
            )
        return Address(address["v6"] or address["host"], int(address["port"]))


class Directory(click.Path):
    """A directory that has a name, and is no file; it need not be there."""

    def __init__(self) -> None:
        super().__init__(file_okay=False, path_type=Path)

    def convert(
        self,
        value: str | os.PathLike[str],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> Any:
        """``"capture"`` → ``Path("capture")``."""
        if not os.fspath(value):
            self.fail("it is empty; give a directory, or . for this one", param, ctx)
        return super().convert(value, param, ctx)


class Pair(click.ParamType[str]):
    """NAME=VALUE; the value may be empty."""

    name = "pair"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The text as it is."""
        if value.find("=") < 1:
            self.fail(f"{value!r} is not of the form NAME=VALUE", param, ctx)
        return value


def size_text(size: int | None) -> str:
    """16777216 → ``"16M"``."""
    if size is None:
        return NEVER
    unit = max(
        (u for u in _SIZE_UNITS if size and size % _SIZE_UNITS[u] == 0), default="", key=_size
    )
    return f"{size // _SIZE_UNITS[unit]}{unit}"


def duration_text(seconds: float | None) -> str:
    """900.0 → ``"15m"``, 0.5 → ``"500ms"``."""
    if seconds is None:
        return NEVER
    for unit, length in sorted(_TIME_UNITS.items(), key=lambda item: -item[1]):
        count = round(seconds / length)
        if count and count * length == seconds:
            return f"{count}{unit}"
    return repr(seconds)


def _size(unit: str) -> int:
    return _SIZE_UNITS[unit]
