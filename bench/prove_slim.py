# SPDX-License-Identifier: Apache-2.0
"""Proves that slimmed images run: builds services, records, slims and runs them (make prove-slim).

For each it prints sizes before and after, whether the slimmed one answered the same to the
recorded workload and to pages asked for later, what the report had said of a file that only an
unrecorded page needs, and without which of the closure's rules the slimmed service does not run,
or answers something else. Exits with 1 if one of these is not as it should be.
"""

import sys
import tempfile
from pathlib import Path

from snoop_analysis.terminal import table
from tests.slim.containers import why_not
from tests.slim.proof import is_broken, record, slim
from tests.slim.services import SERVICES, Service

COLUMNS = [
    "service",
    "MB before",
    "MB after",
    "off",
    "answers",
    "unrecorded page",
    "broken without",
]


def prove(service: Service, directory: Path) -> tuple[list[object], bool]:
    """The row of the table about a service, and whether all is as it should be."""
    recorded = record(service, directory)
    slimmed = slim(recorded)
    same = slimmed.answers == recorded.answers
    told = slimmed.verdict.endswith(": not observed") and slimmed.unrecorded != recorded.unrecorded
    broken = [rule for rule in service.broken_without if is_broken(recorded, rule)]
    row: list[object] = [
        service.name,
        round(slimmed.before / 1e6, 1),
        round(slimmed.after / 1e6, 1),
        f"{1 - slimmed.after / slimmed.before:.1%}",
        "the same" if same else "OTHERS",
        f"gone, and {slimmed.verdict}" if told else "STILL THERE",
        ", ".join(broken),
    ]
    return row, same and told and broken == list(service.broken_without)


def main() -> None:
    """Prove what is asked for, all without an argument."""
    reason = why_not()
    if reason:
        sys.exit(f"prove-slim: {reason}")
    rows, good = [], True
    with tempfile.TemporaryDirectory() as directory:
        for name in sys.argv[1:] or SERVICES:
            place = Path(directory, name)
            place.mkdir()
            row, as_it_should_be = prove(SERVICES[name], place)
            rows.append(row)
            good = good and as_it_should_be
    print(table(COLUMNS, rows))
    sys.exit(not good)


if __name__ == "__main__":
    main()
