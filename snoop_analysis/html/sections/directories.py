# SPDX-License-Identifier: Apache-2.0
"""Directories to look into; scripts/directories.js draws them from the data of the files."""

from snoop_analysis.html.section import Section, Source


def section(source: Source) -> Section | None:
    """Nothing but the place for them."""
    any_file = any(one.unique_files for one in source.report.containers)
    return Section("directories", "Directories", {}) if any_file else None
