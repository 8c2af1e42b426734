# SPDX-License-Identifier: Apache-2.0
"""A report for people: first what is missing, in words, then what there is."""

from collections.abc import Iterator
from typing import Final

from snoop_analysis import ends, rings, undated
from snoop_analysis.display.cells import counted
from snoop_analysis.report import Removed, Report
from snoop_analysis.terminal import printable

_FILTERS: Final = ("syscalls", "containers", "since", "until", "found_only")

BOUND_AND_SUMMARY: Final = (
    "a summary of removed events has one access to each file: with a bound that evicts, hits "
    "(duplicate) are at most so many, misses (new) and evictions at least"
)


def summary(report: Report) -> list[str]:
    """The lines of the summary."""
    files, found = report.distinct_files, report.distinct_found_files
    return [
        *(f"! {line}" for line in missing(report)),
        f"{counted(report.total_events, 'event')}, {counted(files, 'distinct file')} "
        f"({found:,} found), {_losses(report)}",
        *_covered(report),
    ]


def missing(report: Report, events_alone: bool = False) -> Iterator[str]:
    """A sentence for each thing the recording lacks.

    Args:
        report: what it is about.
        events_alone: whether the answer has events, and not what is known of files besides.
    """
    lacks = report.completeness
    yield from (f"left out: {printable(sentence)}" for sentence in lacks.left_out)
    if report.dropped_events:
        causes = ", ".join(f"{printable(cause)} {n:,}" for cause, n in report.losses.items() if n)
        yield f"{counted(report.dropped_events, 'event')} lost while recording: {causes}"
    if report.evictions:
        yield (
            f"{counted(report.evictions, 'file')} evicted by --max-unique-files: "
            "the list leaves out files that were used"
        )
        if any(one.summarized_events for one in lacks.removed):
            yield BOUND_AND_SUMMARY
    if lacks.missing_segments:
        yield f"segments are missing: {printable(', '.join(lacks.missing_segments))}"
    if lacks.missing_events:
        yield f"{counted(lacks.missing_events, 'event')} missing from the sequence"
    if lacks.repeated_events:
        yield (
            f"{counted(lacks.repeated_events, 'event')} with the sequence number of another: "
            "which came first is not known"
        )
    yield from (_removed(one, events_alone) for one in lacks.removed)
    described = {one.session for one in lacks.removed}
    gone = [one for one in lacks.earlier_segments_removed if one not in described]
    if gone:
        yield f"the beginning was removed from: {printable(', '.join(gone))}"
    yield from undated.sentences(lacks.undated_events)
    yield from ends.sentences(
        lacks.still_recording, lacks.killed, lacks.left_running, lacks.moved_out
    )
    yield from rings.sentences(lacks.unrecorded_rings, lacks.lost_results)
    if lacks.torn_bytes:
        yield f"the last write was cut short: {lacks.torn_bytes:,} bytes left out"
    if report.defects["unreadable"]:
        yield f"{counted(report.defects['unreadable'], 'path')} could not be read"
    if report.defects["unresolved_base"]:
        yield (
            f"{counted(report.defects['unresolved_base'], 'relative path')} "
            "without a known directory, taken to start at /"
        )
    if lacks.unknown_container_events:
        unknown = counted(lacks.unknown_container_events, "event")
        yield f"{unknown} of unknown containers not counted"
    if lacks.implausible_times:
        yield f"{counted(lacks.implausible_times, 'event')} with a time no clock that was set says"
    if not report.total_events:
        filtered = any(report.settings[name] not in (None, False) for name in _FILTERS)
        yield "no event passes the filters" if filtered else "no events were recorded"


def _removed(one: Removed, events_alone: bool) -> str:
    begins = f"recorded from {one.last_event} on" if one.last_event else "not from the beginning"
    events = counted(one.events, "earlier event")
    if one.events <= one.summarized_events:
        files = "the command files lists their files" if events_alone else "their files are listed"
        kept = f"a summary of these is kept: {files}"
    elif one.summarized_events:
        kept = f"a summary is kept of {one.summarized_events:,} of these alone"
    else:
        kept = "their files are not known"
    gone = "removed to save space" + (" and not among these events" if events_alone else "")
    return f"{begins}: {events} {gone}, {kept} ({printable(one.session)})"


def _covered(report: Report) -> Iterator[str]:
    lacks = report.completeness
    if lacks.first_event and lacks.last_event:
        yield f"from {lacks.first_event} to {lacks.last_event}"


def _losses(report: Report) -> str:
    if report.dropped_events:
        return counted(report.dropped_events, "event") + " lost"
    if report.completeness.left_out:
        return "no losses counted, but data was left out"
    return "no losses" if report.completeness.complete else "no losses counted, but not complete"
