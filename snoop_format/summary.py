# SPDX-License-Identifier: Apache-2.0
"""``summary.parquet``: the distinct accesses of a session's segments that were removed."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final, Self

import pyarrow as pa
import pyarrow.parquet as pq

from snoop_format import schema
from snoop_format.errors import FormatError
from snoop_format.session import check_regular, put_in_place

SUMMARY_FILE: Final = "summary.parquet"
_DROPPED: Final = b"snoop.dropped"

# What makes two events the same access, named and typed as in ``schema.EVENTS``.
KEYS: Final = (
    "cgroup_id",
    "exe",
    "comm",
    "syscall",
    "flags",
    "ret",
    "note",
    "path",
    "path_role",
    "base",
    "real_path",
    "path_bytes",
    "base_bytes",
    "real_path_bytes",
)


def _plain(kind: pa.DataType) -> pa.DataType:
    return pa.string() if pa.types.is_dictionary(kind) else kind


SUMMARY: Final = pa.schema(
    [
        *[pa.field(name, _plain(schema.EVENTS.field(name).type)) for name in KEYS],
        ("count", pa.uint64()),
        ("first_seen", schema.EVENTS.field("ts").type),
        ("last_seen", schema.EVENTS.field("ts").type),
    ]
)
"""The columns of a summary. ``ret`` is 0 for every call that succeeded, and ``comm`` is null where
``exe`` is known: what differs with every call is not told apart."""


@dataclass(frozen=True, slots=True)
class Dropped:
    """The segments that were removed from a session: its first ones, up to ``last_segment``.

    The same stands in ``session.json`` and in the metadata of the summary, which is written
    first: where they differ, the one with the greater ``last_segment`` is right, and a segment up
    to that number that is still there is on its way out, and not to be read.

    Attributes:
        segments: how many.
        rows: events in them; in the summary are ``summarized_rows`` of these.
        bytes: their size as sealed files.
        last_segment: number of the last one.
        first_seq, last_seq: range of ``seq``; null where there was none.
        first_ts, last_ts: range of the events' times, RFC 3339.
    """

    segments: int = 0
    rows: int = 0
    summarized_rows: int = 0
    bytes: int = 0
    last_segment: int = 0
    first_seq: int | None = None
    last_seq: int | None = None
    first_ts: str | None = None
    last_ts: str | None = None

    @classmethod
    def of(cls, said: Any) -> Self:
        """What a session's metadata holds as ``dropped``; nothing was dropped where it has none.

        Raises:
            FormatError: it is no table of numbers and times as above.
        """
        if said is None:
            return cls()
        if not isinstance(said, dict):
            raise FormatError("dropped is not a table")
        found = cls(**{name: said[name] for name in cls.__slots__ if name in said})
        counts = (found.segments, found.rows, found.summarized_rows, found.bytes)
        ranges = (found.first_seq, found.last_seq)
        times = (found.first_ts, found.last_ts)
        if not (
            all(map(_is_count, (*counts, found.last_segment)))
            and all(number is None or _is_count(number) for number in ranges)
            and all(time is None or isinstance(time, str) for time in times)
        ):
            raise FormatError("dropped does not hold the counts and times of removed segments")
        return found

    def holds(self, number: int) -> bool:
        """Whether segment ``number`` was removed, or is on its way out."""
        return self.segments > 0 and number <= self.last_segment

    def and_then(self, later: Self) -> Self:
        """This, and segments that follow it."""
        return replace(
            self,
            segments=self.segments + later.segments,
            rows=self.rows + later.rows,
            summarized_rows=self.summarized_rows + later.summarized_rows,
            bytes=self.bytes + later.bytes,
            last_segment=later.last_segment,
            first_seq=later.first_seq if self.first_seq is None else self.first_seq,
            last_seq=self.last_seq if later.last_seq is None else later.last_seq,
            first_ts=_bound(min, self.first_ts, later.first_ts),
            last_ts=_bound(max, self.last_ts, later.last_ts),
        )

    def as_json(self) -> dict[str, Any]:
        """As it stands in ``session.json``."""
        return asdict(self)


def _is_count(said: Any) -> bool:
    return type(said) is int and 0 <= said < 1 << 64


def _bound(choose: Callable[[list[str]], str], one: str | None, other: str | None) -> str | None:
    """The earlier or later of two times of the same form, where there are two."""
    times = [time for time in (one, other) if time is not None]
    return choose(times) if times else None


def read_dropped(directory: Path, session: dict[str, Any]) -> Dropped:
    """What was removed from a session.

    Args:
        directory: of the session.
        session: what ``read_session`` gave.

    Raises:
        FormatError: the summary or what ``session.json`` says of it is damaged.
    """
    try:
        said = Dropped.of(session.get("dropped"))
    except FormatError as error:
        raise FormatError(f"{directory / 'session.json'} is damaged: {error}") from None
    summary = directory / SUMMARY_FILE
    if not summary.exists():
        return said
    return max(said, _dropped_in(summary), key=lambda dropped: dropped.last_segment)


def _dropped_in(summary: Path) -> Dropped:
    check_regular(summary)
    try:
        metadata = pq.read_metadata(summary).metadata or {}
        if _DROPPED not in metadata:
            raise FormatError("it does not say which segments it sums up")
        return Dropped.of(json.loads(metadata[_DROPPED]))
    except OSError as error:
        raise FormatError(f"cannot read {summary}: {error.strerror or error}") from error
    except (pa.ArrowException, ValueError, RecursionError, FormatError) as error:
        raise FormatError(f"{summary} is damaged: {error}") from error


def write_summary(directory: Path, rows: pa.Table, dropped: Dropped, session_id: str) -> None:
    """Replace the summary of a session atomically.

    Args:
        directory: of the session.
        rows: of schema ``SUMMARY``.
        dropped: the segments whose events they are.
        session_id: the session's.

    Raises:
        OSError: the disk is full, read-only or gone.
    """
    temporary = directory / (SUMMARY_FILE + ".tmp")
    with temporary.open("wb") as file:
        temporary.chmod(0o640)
        writer = pq.ParquetWriter(file, SUMMARY, compression="zstd")
        writer.write_table(rows)
        writer.add_key_value_metadata(
            {
                "snoop.format": str(schema.FORMAT),
                "snoop.session": session_id,
                _DROPPED.decode(): json.dumps(dropped.as_json()),
            }
        )
        writer.close()
    put_in_place(temporary, directory / SUMMARY_FILE)
