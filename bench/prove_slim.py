# SPDX-License-Identifier: Apache-2.0
"""Proves that slimmed images run: builds services, records, slims and runs them (make prove-slim).

For each it prints sizes before and after, whether the slimmed one answered the same to the
recorded workload, what the report had said of a file that only an unrecorded page needs, and
whether the service runs without one of the closure's rules. Exits with 1 if one of these is not as
it should be.
"""

import sys
import tempfile
from pathlib import Path

from snoop_analysis.terminal import table
from tests.slim import proof
from tests.slim.containers import why_not
from tests.slim.proof import record, slim
from tests.slim.services import SERVICES, Service

COLUMNS = [
    "service",
    "MB before",
    "MB after",
    "off",
    "answers",
    "unrecorded page",
    "without a rule",
]


def prove(service: Service, directory: Path) -> tuple[list[object], bool]:
    """The row of the table about a service, and whether all is as it should be."""
    recorded = record(service, directory)
    slimmed = slim(recorded)
    same = slimmed.answers == recorded.answers
    told = slimmed.verdict.endswith(": not observed") and slimmed.unrecorded != recorded.unrecorded
    broken = is_broken(recorded)
    row: list[object] = [
        service.name,
        round(slimmed.before / 1e6, 1),
        round(slimmed.after / 1e6, 1),
        f"{1 - slimmed.after / slimmed.before:.1%}",
        "the same" if same else "OTHERS",
        f"gone, and {slimmed.verdict}" if told else "STILL THERE",
        f"{service.broken_without}: {'does not run' if broken else 'RUNS'}",
    ]
    return row, same and told and broken


def is_broken(recorded: proof.Recorded) -> bool:
    """Whether the service does not run when the closure leaves out a rule."""
    before, proof.STARTING = proof.STARTING, 10
    try:
        slim(recorded, "--without-rule", recorded.service.broken_without)
    except RuntimeError:
        return True
    finally:
        proof.STARTING = before
    return False


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
