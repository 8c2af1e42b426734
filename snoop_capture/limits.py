# SPDX-License-Identifier: Apache-2.0
"""How much a recording may hold: in memory, in a segment, on the disk."""

from dataclasses import dataclass, field
from typing import Final

MIN_RING: Final = 4096
"""Bytes of the smallest ring between kernel and recorder."""
MAX_RING: Final = 1 << 30
"""Bytes of the largest one."""


@dataclass(frozen=True, slots=True)
class Rotation:
    """When the open segment is sealed and the next one begun; what comes first counts.

    Attributes:
        size: bytes of the open segment.
        rows: events in it.
        seconds: since its first event.
    """

    size: int = 256 << 20
    rows: int = 1 << 20
    seconds: float = 3600.0


@dataclass(frozen=True, slots=True)
class Retention:
    """When the oldest sealed segments are removed; by default never.

    Attributes:
        max_size: bytes of all that this recorder may remove from: its own session, and those in
            the same directory that have ended.
        max_age: seconds since a segment was sealed.
        keep_free: bytes that shall stay free on the file system.
        keep_summary: fold the distinct accesses of what is removed into ``summary.parquet``.
    """

    max_size: int | None = None
    max_age: float | None = None
    keep_free: int | None = None
    keep_summary: bool = True

    @property
    def removes(self) -> bool:
        """Is there a bound at all?"""
        return not (self.max_size is self.max_age is self.keep_free is None)


@dataclass(frozen=True, slots=True)
class Limits:
    """All of them.

    Attributes:
        flush: seconds after which events are on disk at the latest.
        queue_bytes: memory for events that cannot be written for the time being.
    """

    flush: float = 1.0
    queue_bytes: int = 64 << 20
    rotation: Rotation = field(default_factory=Rotation)
    retention: Retention = field(default_factory=Retention)
