# SPDX-License-Identifier: Apache-2.0
"""What captures, replays, reports and relations say of themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from snoop_analysis.display.description import Description, Table
from snoop_analysis.ends import sentences
from snoop_analysis.errors import ClosedError
from snoop_analysis.terminal import printable

if TYPE_CHECKING:
    import duckdb

    from snoop_analysis.capture import Capture
    from snoop_analysis.replay import Replay
    from snoop_analysis.report import Report

ROWS: Final = 20  # of a relation that are shown


def of_capture(capture: Capture) -> Description:
    """The sessions of a capture; reads no event."""
    columns = ("session", "host", "started", "ended", "containers", "events", "lost")
    rows = [
        (
            one.session_id,
            one.host,
            one.started_at,
            "still recording, or killed" if one.is_open else one.ended_at,
            ", ".join(container.name for container in one.containers),
            sum(segment.rows for segment in one.segments),
            sum(one.losses.values()),
        )
        for one in capture.sessions_found
    ]
    lost = sum(sum(one.losses.values()) for one in capture.sessions_found)
    missing = [f"left out: {printable(sentence)}" for sentence in capture.left_out]
    missing += [f"{lost:,} events lost while recording"] if lost else []
    missing += sentences(
        [one.session_id for one in capture.sessions_found if one.is_open],
        [one.session_id for one in capture.sessions_found if one.recovered_at is not None],
        sum(one.left_running for one in capture.sessions_found),
        sum(one.moved_out for one in capture.sessions_found),
    )
    return Description(missing, ["Capture"], [Table(columns, rows)])


def of_replay(replay: Replay) -> Description:
    """What a report of the replay begins with, and its counts by container."""
    try:
        report = of_report(replay.report())
    except ClosedError:
        return Description([], ["Replay, closed"], [])
    said = [f"{name} {value!r}" for name, value in replay.settings.as_dict().items() if value]
    lines = ["Replay: " + ", ".join(said), *report.lines]
    return Description(report.missing, lines, report.tables)


def of_report(report: Report) -> Description:
    """The summary of a report, and its containers."""
    from snoop_analysis.summary import missing, summary

    columns = ("container", "events", "files", "found", "new", "duplicate", "excluded", "empty")
    rows = [
        (
            one.name,
            one.total_events,
            one.unique_files,
            len(one.found_files),
            one.new,
            one.duplicate,
            one.excluded,
            one.empty,
        )
        for one in report.containers
    ]
    lacking = list(missing(report))
    return Description(lacking, summary(report)[len(lacking) :], [Table(columns, rows)])


def of_relation(relation: duckdb.DuckDBPyRelation) -> Description:
    """The first rows of a relation."""
    rows = relation.limit(ROWS + 1).fetchall()
    note = f"the first {ROWS} rows; .df() has all" if len(rows) > ROWS else ""
    return Description([], [], [Table(relation.columns, rows[:ROWS], note)])
