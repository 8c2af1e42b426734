# SPDX-License-Identifier: Apache-2.0
"""The report of a replay: what the Go program reports, and how complete it is.

The fields of ``Report`` and ``ContainerReport`` up to the marks are those of the Go program's
types (imjasonh/snoop, pkg/reporter/reporter.go), with their names, types and meanings, so that
what reads its reports reads these. Go's JSON decoder passes over the fields that follow.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass
from json.encoder import encode_basestring
from os import PathLike
from typing import Any, Final, TextIO

from snoop_analysis.terminal import visible_json

# What Go's JSON decoder takes for "no time".
NO_TIME: Final = "0001-01-01T00:00:00Z"


@dataclass(frozen=True, slots=True)
class NotUtf8:
    """A file whose name is not UTF-8: as the lists show it, and its bytes in hexadecimal."""

    file: str
    bytes: str


@dataclass(frozen=True, slots=True)
class ContainerReport:
    """One container. Files are sorted by the bytes of their names.

    ``files`` also holds names no call found; ``found_files`` those at least one call found.
    """

    name: str
    cgroup_id: int
    cgroup_path: str
    files: list[str]
    total_events: int
    unique_files: int
    # Not of the Go program:
    found_files: list[str]
    new: int
    duplicate: int
    excluded: int
    empty: int
    evicted: int
    defects: dict[str, int]
    not_utf8: list[NotUtf8]


@dataclass(frozen=True, slots=True)
class Removed:
    """The beginning of a session, which was removed to save space.

    Of its ``events``, ``summarized_events`` are in a summary: they count and their files are
    listed, but each by itself is gone. Times are of the first and the last of them, null if
    unknown: every event is there from ``last_event`` on.
    """

    session: str
    segments: int
    events: int
    summarized_events: int
    first_event: str | None
    last_event: str | None


@dataclass(frozen=True, slots=True)
class Completeness:
    """What the recording lacks. ``complete`` only where nothing is known to be missing.

    Attributes:
        complete: nothing lost, evicted, missing, removed, cut short, unreadable, left out, or of
            unknown containers; and every session was recorded to its end, and its command's.
        first_event: time of the first event, null if there is none.
        last_event: time of the last event.
        implausible_times: events whose time no clock that was set would say.
        still_recording: sessions without an end: still being recorded, or the recorder was killed.
        killed: sessions whose recorder was killed, and that another one finished.
        left_running: processes of commands that went on when their recording had ended.
        moved_out: processes that went on in cgroups that were not recorded.
        unrecorded_rings: io_uring instances whose calls the kernel did not let be recorded.
        lost_results: calls through io_uring whose result was lost.
        unknown_container_events: events of cgroups that are no known container.
        missing_segments: segment files absent from the middle of a session.
        removed: the beginnings of sessions that were removed to save space.
        earlier_segments_removed: sessions whose beginning is gone, and not or not all summarized.
        undated_events: events without a time, or that a summary tells of, which count though they
            may lie outside of the time that was asked for.
        missing_events: events absent by the sequence numbers, those of absent segments included.
        repeated_events: events with the sequence number of another one.
        torn_bytes: bytes of writes that were cut short.
        left_out: what was damaged and left out, a sentence each.
    """

    complete: bool
    first_event: str | None
    last_event: str | None
    implausible_times: int
    still_recording: list[str]
    killed: list[str]
    left_running: int
    moved_out: int
    unrecorded_rings: int
    lost_results: int
    unknown_container_events: int
    missing_segments: list[str]
    removed: list[Removed]
    earlier_segments_removed: list[str]
    undated_events: int
    missing_events: int
    repeated_events: int
    torn_bytes: int
    left_out: list[str]


@dataclass(frozen=True, slots=True, repr=False)
class Report:
    """The whole report. Times are RFC 3339; ``pod_name`` and ``namespace`` null if unknown.

    ``last_updated_at`` is the time up to which the recording reaches.
    """

    pod_name: str | None
    namespace: str | None
    started_at: str
    last_updated_at: str
    containers: list[ContainerReport]
    total_events: int
    dropped_events: int
    # Not of the Go program:
    losses: dict[str, int]
    defects: dict[str, int]
    evictions: int
    completeness: Completeness
    settings: dict[str, Any]

    def __repr__(self) -> str:
        from snoop_analysis.display.descriptions import of_report

        return of_report(self).text()

    def _repr_html_(self) -> str:
        from snoop_analysis.display.descriptions import of_report

        return of_report(self).html()

    @property
    def distinct_files(self) -> int:
        """Names asked for; one that several containers asked for counts once."""
        return _distinct([one.files for one in self.containers])

    @property
    def distinct_found_files(self) -> int:
        """Of these, names that at least one call found."""
        return _distinct([one.found_files for one in self.containers])

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON has it: what is omitted when unknown is absent."""
        said = _fields(self)
        for name in ("pod_name", "namespace"):
            if said[name] is None:
                del said[name]
        return said

    def write(self, path: str | PathLike[str]) -> None:
        """Write the report as JSON; ``path`` holds the old report or the whole new one.

        Raises:
            OSError: it cannot be written.
        """
        from snoop_analysis.replacing import replaced  # imports pyarrow

        with replaced(path) as target, target.open("w", encoding="utf-8") as file:
            self.print_to(file)

    def print_to(self, file: TextIO) -> None:
        """Write the report as JSON to an open file, in letters that can be seen."""
        file.writelines(visible_json(piece, file.encoding) for piece in _json(self.as_dict(), "\n"))
        file.write("\n")


def _distinct(lists: list[list[str]]) -> int:
    return len(lists[0]) if len(lists) == 1 else len(set().union(*lists))


def _fields(record: Any) -> dict[str, Any]:
    """A dataclass as a dict, its lists of strings as they are (asdict copies them one by one)."""
    said: dict[str, Any] = {}
    for field in fields(record):
        value = getattr(record, field.name)
        if is_dataclass(value):
            value = _fields(value)
        elif isinstance(value, list) and value and is_dataclass(value[0]):
            value = [_fields(item) for item in value]
        said[field.name] = value
    return said


def _json(value: Any, newline: str) -> Iterator[str]:
    """``value`` as indented JSON; lists of many strings at once, which json.dumps cannot."""
    inner = newline + "  "
    if isinstance(value, dict) and value:
        for number, (name, item) in enumerate(value.items()):
            yield ("," if number else "{") + inner + json.dumps(name) + ": "
            yield from _json(item, inner)
        yield newline + "}"
    elif isinstance(value, list) and value and set(map(type, value)) == {str}:
        yield "[" + inner
        yield ("," + inner).join(map(_QUOTED, value))
        yield newline + "]"
    elif isinstance(value, list) and value:
        for number, item in enumerate(value):
            yield ("," if number else "[") + inner
            yield from _json(item, inner)
        yield newline + "]"
    else:
        yield json.dumps(value, ensure_ascii=False)


_QUOTED: Final = encode_basestring
