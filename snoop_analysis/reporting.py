# SPDX-License-Identifier: Apache-2.0
"""Making the report of a replay."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import compress
from typing import TYPE_CHECKING, Any, Final

from snoop_analysis.ends import without_end
from snoop_analysis.fields import time_of
from snoop_analysis.names import name_to_bytes, shown
from snoop_analysis.report import (
    NO_TIME,
    Completeness,
    ContainerReport,
    NotUtf8,
    Removed,
    Report,
)

if TYPE_CHECKING:
    from snoop_analysis.replay import Replay
    from snoop_analysis.sessions import Session

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
DEFECTS: Final = ("unreadable", "unresolved_base")


def make_report(replay: Replay) -> Report:
    """The report of a replay."""
    rows = _rows(replay, "SELECT * FROM container_totals")
    return replace(outline(replay), containers=[_container(replay, row) for row in rows])


def outline(replay: Replay) -> Report:
    """The report without its containers, and so without the lists of files, which take long."""
    sessions = replay.capture.sessions_found
    (totals,) = _rows(replay, "SELECT * FROM totals, covered")
    losses = dict(replay.query("SELECT cause, sum(events) FROM losses GROUP BY ALL").fetchall())
    first, last = _time(totals["first_us"]), _time(totals["last_us"])
    started = min((one.started_at for one in sessions if one.started_at), default=first)
    ended = max((one.ended_at for one in sessions if one.ended_at), default=last)
    reached = max((time for time in (ended, last) if time), default=started)
    defects = {name: totals[name] for name in DEFECTS}
    return Report(
        pod_name=_only({one.pod_name for one in sessions}),
        namespace=_only({one.namespace for one in sessions}),
        started_at=_rfc3339(started) or NO_TIME,
        last_updated_at=_rfc3339(reached) or NO_TIME,
        containers=[],
        total_events=totals["events"],
        dropped_events=sum(losses.values()),
        losses=dict(sorted(losses.items())),
        defects=defects,
        evictions=totals["evicted"],
        completeness=_completeness(replay, totals, sum(losses.values())),
        settings=replay.settings.as_dict(),
    )


def _rows(replay: Replay, sql: str) -> list[dict[str, Any]]:
    relation = replay.query(sql)
    return [dict(zip(relation.columns, row, strict=True)) for row in relation.fetchall()]


def _container(replay: Replay, row: dict[str, Any]) -> ContainerReport:
    names, found, stray = _files(replay, row["container_no"])
    return ContainerReport(
        name=row["name"],
        cgroup_id=row["cgroup_id"],
        cgroup_path=row["cgroup_path"],
        files=_shown(names, stray),
        total_events=row["events"],
        unique_files=len(names),
        found_files=_shown(found, stray),
        new=row["new"],
        duplicate=row["duplicate"],
        excluded=row["excluded"],
        empty=row["empty"],
        evicted=row["evicted"],
        defects={name: row[name] for name in DEFECTS},
        not_utf8=[NotUtf8(shown(name), name_to_bytes(name).hex()) for name in stray],
    )


def _files(replay: Replay, container_no: int) -> tuple[list[str], list[str], list[str]]:
    """Names of the files of a container, sorted: all, those found, those that are not exact."""
    table = replay.query(
        "SELECT file, hits > 0 AS found, contains(file, chr(0)) AS stray FROM kept_files "
        f"WHERE container_no = {container_no} ORDER BY file"
    ).to_arrow_table()
    names = table.column("file").to_pylist()
    found, stray = (compress(names, table.column(one).to_pylist()) for one in ("found", "stray"))
    return names, list(found), list(stray)


def _shown(names: list[str], stray: list[str]) -> list[str]:
    """``names``, sorted, as the report has them, sorted too; ``stray`` are those not exact."""
    return sorted(map(shown, names)) if stray else names


def _completeness(replay: Replay, totals: dict[str, Any], losses: int) -> Completeness:
    sessions = replay.capture.sessions_found
    segments = [segment for session in sessions for segment in session.segments]
    missing = [f"{one.session_id} {number}" for one in sessions for number in one.missing]
    missing_events = sum(one.missing for one in replay.sequences.values())
    repeated = sum(one.repeated for one in replay.sequences.values())
    torn = sum(one.torn_bytes for one in segments)
    left_out = replay.capture.left_out
    gone = [one.session_id for one in sessions if _lacks_its_beginning(one, replay.settings.since)]
    undated = totals["undated"]
    open_ended = without_end(sessions)
    left_running = sum(one.left_running for one in sessions)
    moved_out = sum(one.moved_out for one in sessions)
    rings = sum(one.unrecorded_rings for one in sessions)
    results = sum(one.lost_results for one in sessions)
    unclear = (totals["evicted"], totals["unreadable"], totals["unknown"])
    lacking = (losses, left_running, moved_out, rings, results, *unclear, torn, undated)
    return Completeness(
        complete=not any((*lacking, missing, missing_events, repeated, left_out, gone, open_ended)),
        first_event=_rfc3339(_time(totals["first_us"])),
        last_event=_rfc3339(_time(totals["last_us"])),
        implausible_times=totals["implausible"],
        still_recording=[one.session_id for one in open_ended if one.recovered_at is None],
        killed=[one.session_id for one in open_ended if one.recovered_at is not None],
        left_running=left_running,
        moved_out=moved_out,
        unrecorded_rings=rings,
        lost_results=results,
        unknown_container_events=totals["unknown"],
        missing_segments=missing,
        removed=[_removed(one) for one in sessions if one.dropped.segments],
        earlier_segments_removed=gone,
        undated_events=undated,
        missing_events=missing_events,
        repeated_events=repeated,
        torn_bytes=torn,
        left_out=left_out,
    )


def _lacks_its_beginning(session: Session, since: datetime | None) -> bool:
    """Whether events at the beginning of a session are gone, and no summary tells of them.

    Those before ``since`` do not matter. Segments that are missing were not removed on purpose.
    """
    dropped = session.dropped
    if not dropped.segments:
        numbers = [*(one.number for one in session.segments), *session.missing]
        return min(numbers, default=1) > 1
    last = time_of(dropped.last_ts)
    if since and last and last < since:
        return False
    return session.summary is None or dropped.summarized_rows < dropped.rows


def _removed(session: Session) -> Removed:
    dropped = session.dropped
    return Removed(
        session=session.session_id,
        segments=dropped.segments,
        events=dropped.rows,
        summarized_events=dropped.summarized_rows if session.summary else 0,
        first_event=_rfc3339(time_of(dropped.first_ts)),
        last_event=_rfc3339(time_of(dropped.last_ts)),
    )


def _only(values: set[str | None]) -> str | None:
    """The one value of a set that has one."""
    known = values - {None}
    return known.pop() if len(known) == 1 else None


def _time(microseconds: int | None) -> datetime | None:
    return None if microseconds is None else _EPOCH + timedelta(microseconds=microseconds)


def _rfc3339(time: datetime | None) -> str | None:
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z") if time else None
