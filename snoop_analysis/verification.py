# SPDX-License-Identifier: Apache-2.0
"""Checking captures: files, checksums, counts, sequence, losses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import pyarrow as pa

from snoop_analysis.capture import Capture
from snoop_analysis.sequence import sequence
from snoop_format.session import checksum

if TYPE_CHECKING:
    import duckdb

    from snoop_analysis.sessions import Session

_COLUMNS = pa.schema([("session", pa.string()), ("what", pa.string()), ("finding", pa.string())])


def verify(paths: Sequence[str]) -> tuple[duckdb.DuckDBPyRelation, bool]:
    """Findings of a full check, and whether the captures are sound.

    Columns: session, what (a segment, or the session), finding (``ok`` or a sentence). Losses are
    findings, but no fault of the files: a capture with losses is sound.

    Raises:
        CaptureError: there is no capture.
    """
    capture = Capture(paths, skip_damaged=True)
    damage = [("", "damage", sentence) for sentence in capture.left_out]
    with capture.reading():
        faults = [
            *damage,
            *_checksum_faults(capture),
            *_sequence_faults(capture),
            *_summary_faults(capture),
        ]
    faulty = {(session, what) for session, what, _ in faults}
    facts = (one for session in capture.sessions_found for one in _facts(session))
    found = [*faults, *(one for one in facts if one[:2] not in faulty)]
    rows = [dict(zip(_COLUMNS.names, finding, strict=True)) for finding in found]
    return capture.from_arrow(pa.Table.from_pylist(rows, _COLUMNS)), not faults


def _checksum_faults(capture: Capture) -> Iterator[tuple[str, str, str]]:
    for session in capture.sessions_found:
        for segment in session.segments:
            wanted = session.checksums.get(segment.number)
            if segment.unsealed is None and wanted not in (None, checksum(segment.path)):
                fault = "its bytes are not those that were written: the checksum differs"
                yield session.session_id, segment.path.name, fault


def _sequence_faults(capture: Capture) -> Iterator[tuple[str, str, str]]:
    for number, session in enumerate(capture.sessions_found):
        found = sequence(capture, number)
        if found.repeated:
            yield session.session_id, "seq", f"{found.repeated} sequence numbers stand twice"
        if found.missing:
            yield session.session_id, "seq", f"{found.missing} events are missing from the sequence"


def _summary_faults(capture: Capture) -> Iterator[tuple[str, str, str]]:
    for number, session in enumerate(capture.sessions_found):
        if session.summary:
            query = f"SELECT sum(count) FROM summary_rows WHERE session_no = {number}"
            ((told,),) = capture.query(query).fetchall()
            if (told or 0) != session.dropped.summarized_rows:
                fault = f"tells of {told or 0} events, not {session.dropped.summarized_rows}"
                yield session.session_id, session.summary.path.name, fault


def _facts(session: Session) -> Iterator[tuple[str, str, str]]:
    for segment in session.segments:
        if segment.damage is None:
            torn = f", {segment.torn_bytes} bytes cut short" if segment.torn_bytes else ""
            yield session.session_id, segment.path.name, f"ok, {segment.rows} events{torn}"
    if session.dropped.segments:
        removed = f"{session.dropped.rows} events in {session.dropped.segments} segments removed"
        kept = f"{session.dropped.summarized_rows} of them in a summary"
        yield session.session_id, "removed", f"{removed}, {kept}"
    for cause, events in session.losses.items():
        yield session.session_id, "losses", f"{events} events lost: {cause}"
