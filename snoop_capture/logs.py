# SPDX-License-Identifier: Apache-2.0
"""What the recorder says while it runs: lines for people, or an object a line for programs.

No line above the level ``debug`` has the path of an application's file in it: names can tell much.
"""

import logging
import re
import time
from collections import Counter
from typing import Final

CONSOLE: Final = "console"
JSON: Final = "json"

_MOST: Final = 5  # lines of one kind
_PERIOD: Final = 60.0  # within so many seconds
_KINDS: Final = 1000
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


def set_up(level: str, form: str) -> None:
    """Have everything that is logged from now on go to standard error.

    Args:
        level: of the recorder's own messages; those of libraries begin at ``warning``.
        form: CONSOLE or JSON.
    """
    handler = _Sparing()
    handler.setFormatter(_json() if form == JSON else _Console())
    logging.raiseExceptions = False  # nobody may be listening any more
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("snoop_capture").setLevel(level.upper())


class _Sparing(logging.StreamHandler):  # type: ignore[type-arg]
    """Writes a few lines of one kind within a minute; says how many more there were, and the last.

    Of one kind are lines from one place in the program.
    """

    def __init__(self) -> None:
        super().__init__()
        self._begun: dict[tuple[str, str], float] = {}
        self._said: Counter[tuple[str, str]] = Counter()
        self._kept_back: Counter[tuple[str, str]] = Counter()
        self._last: dict[tuple[str, str], str] = {}

    def emit(self, record: logging.LogRecord) -> None:
        kind = (record.name, str(record.msg))
        if len(self._begun) > _KINDS:
            self._begun.clear()
        now = time.monotonic()
        if now - self._begun.get(kind, -_PERIOD) >= _PERIOD:
            self._say_rest(kind, record)
            self._begun[kind] = now
            self._said[kind] = 0
        self._said[kind] += 1
        if self._said[kind] <= _MOST:
            super().emit(record)
        else:
            self._kept_back[kind] += 1
            self._last[kind] = record.getMessage()

    def close(self) -> None:
        """Say what was kept back to the last."""
        for kind in list(self._kept_back):
            self._say_rest(kind, logging.makeLogRecord({"name": kind[0], "levelname": "WARNING"}))
        super().close()

    def _say_rest(self, kind: tuple[str, str], record: logging.LogRecord) -> None:
        count = self._kept_back.pop(kind, 0)
        if count:
            last = self._last.pop(kind)
            said = {"msg": "%d more lines like this were not logged: %s", "args": (count, last)}
            super().emit(logging.makeLogRecord(record.__dict__ | said))


class _Console(logging.Formatter):
    """``snoop-capture: MESSAGE``, on one line whatever is in it."""

    def format(self, record: logging.LogRecord) -> str:
        warning = "warning: " if record.levelno == logging.WARNING else ""
        return f"snoop-capture: {warning}{_CONTROL.sub(_escaped, super().format(record))}"


def _escaped(match: re.Match[str]) -> str:
    return repr(match[0])[1:-1]


def _json() -> logging.Formatter:
    from pythonjsonlogger.json import JsonFormatter  # not above: few need it

    return JsonFormatter(
        "%(levelname)s%(name)s%(message)s",
        rename_fields={"levelname": "level", "name": "logger"},
        timestamp="time",
    )
