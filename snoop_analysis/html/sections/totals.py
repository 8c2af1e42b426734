# SPDX-License-Identifier: Apache-2.0
"""The numbers that sum it up."""

from snoop_analysis.html.section import Section, Source


def section(source: Source) -> Section:
    """Events, files, and what is wrong with some of them."""
    report = source.report
    ((hits, misses),) = source.replay.query(
        "SELECT coalesce(sum(hits), 0)::BIGINT, coalesce(sum(misses), 0)::BIGINT "
        "FROM lookups WHERE container_no IS NOT NULL"
    ).fetchall()
    files, found = report.distinct_files, report.distinct_found_files
    numbers = {
        "events": report.total_events,
        "files asked for": files,
        "files found": found,
        "files never found": files - found,
        "calls succeeded": hits,
        "calls failed": misses,
    }
    apart = {"events excluded": sum(one.excluded for one in report.containers)}
    lacks = {
        "calls lost": report.dropped_events,
        "paths unreadable": report.defects["unreadable"],
        "paths without base": report.defects["unresolved_base"],
        "files evicted": report.evictions,
    }
    return Section("totals", "Totals", {"numbers": numbers, "apart": apart, "lacks": lacks})
