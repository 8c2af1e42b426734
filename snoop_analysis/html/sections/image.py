# SPDX-License-Identifier: Apache-2.0
"""What an image can lose."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final

from snoop_analysis.display.description import Table
from snoop_analysis.html.figure import figure
from snoop_analysis.html.section import Section
from snoop_analysis.judging import Answer
from snoop_analysis.listings import NO_PACKAGE, listing
from snoop_analysis.names import name_of
from snoop_analysis.verdict import FileVerdict, Verdict

_MOST: Final = 50
_LEVELS: Final = 4
_WORDS: Final = "; the table that follows has the numbers"


def section(answer: Answer) -> Section:
    """The verdicts on an image: where its bytes are, and what of its packages was observed."""
    by_directory = list(_weights(answer.judgement.files, _directories))
    by_package = list(_weights(answer.judgement.files, _package))
    totals = listing(answer, "verdict").project("verdict, files, bytes, dropped_bytes")
    packages = listing(answer, "package").project(
        f"* REPLACE (coalesce(package, '{NO_PACKAGE}') AS package)"
    )
    return Section(
        "image",
        "Image",
        {
            "doubts": answer.standing.doubts,
            "lines": [answer.standing.heading()[-1], *answer.notes],
            "totals": Table(totals.columns, totals.fetchall()),
            "directories": figure(
                answer.replay,
                lambda plots: plots.verdicts(by_directory, "Bytes by directory"),
                f"Bytes by directory{_WORDS}",
            ),
            "packages": figure(
                answer.replay,
                lambda plots: plots.verdicts(by_package, "Bytes by package", root=""),
                f"Bytes by package{_WORDS}",
            ),
            "table": Table(
                packages.columns,
                packages.limit(_MOST).fetchall(),
                f"The first {_MOST}." if len(packages) > _MOST else "",
            ),
        },
    )


def _weights(
    files: Iterable[FileVerdict], names: Callable[[FileVerdict], list[str]]
) -> Iterator[tuple[Verdict, list[str], int]]:
    """Bytes by verdict and names."""
    weights: dict[tuple[Verdict, tuple[str, ...]], int] = {}
    for one in files:
        if one.bytes:
            key = one.verdict, tuple(names(one))
            weights[key] = weights.get(key, 0) + one.bytes
    yield from ((verdict, list(found), weight) for (verdict, found), weight in weights.items())


def _directories(one: FileVerdict) -> list[str]:
    return name_of(one.path).split("/")[1:-1][:_LEVELS]


def _package(one: FileVerdict) -> list[str]:
    return [name_of(one.package.name).replace("/", "\u2215")] if one.package else [NO_PACKAGE]
