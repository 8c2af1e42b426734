# SPDX-License-Identifier: Apache-2.0
"""The verdicts on an image in a few lines, for people."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from snoop_analysis.image import Kind
from snoop_analysis.packages import Package
from snoop_analysis.terminal import printable, table
from snoop_analysis.verdict import FileVerdict, Judgement, Verdict

_MOST_PACKAGES: Final = 15
_UNITS: Final = ("B", "kB", "MB", "GB", "TB")


def summary(judgement: Judgement) -> list[str]:
    """Files and bytes by verdict, and the packages of which nothing was observed, by size."""
    files = [one for one in judgement.files if one.inode.kind is not Kind.DIRECTORY]
    kept = [one for one in files if one.kept]
    whole, rest = size(files), size(kept)
    freed = 1 - rest / whole if whole else 0.0
    return [
        table(["verdict", "files", "size"], [_row(one, files) for one in Verdict]),
        f"{in_units(whole)} in {len(files):,} files; kept: {in_units(rest)} in {len(kept):,} files "
        f"({freed:.1%} off)",
        *_packages(judgement, files),
    ]


def size(files: list[FileVerdict]) -> int:
    """Bytes of files; a file with several names counts once."""
    return sum(one.bytes for one in files)


def _row(verdict: Verdict, files: list[FileVerdict]) -> list[str]:
    own = [one for one in files if one.verdict is verdict]
    return [verdict.value, f"{len(own):,}", in_units(size(own))]


def _packages(judgement: Judgement, files: list[FileVerdict]) -> Iterator[str]:
    by_package: dict[Package, list[FileVerdict]] = {}
    for one in files:
        if one.package is not None:
            by_package.setdefault(one.package, []).append(one)
    idle = {
        package: size(own)
        for package, own in by_package.items()
        if all(one.verdict is Verdict.NOT_OBSERVED for one in own)
    }
    if not by_package:
        return
    yield ""
    yield (
        f"{len(idle):,} of {len(judgement.packages):,} packages: nothing was observed of them, "
        f"{in_units(sum(idle.values()))}"
    )
    heaviest = sorted(idle.items(), key=lambda one: (-one[1], str(one[0])))[:_MOST_PACKAGES]
    for package, weight in heaviest:
        yield printable(f"{in_units(weight):>10}  {package}")
    if len(idle) > _MOST_PACKAGES:
        yield "            ... --by package lists all"


def in_units(count: float) -> str:
    """Bytes in the unit that suits: ``12.3 MB``."""
    unit = 0
    while count >= 1000 and unit < len(_UNITS) - 1:
        count /= 1000
        unit += 1
    return f"{count:.0f} B" if unit == 0 else f"{count:.1f} {_UNITS[unit]}"
