# SPDX-License-Identifier: Apache-2.0
"""What became of every file of an image: used, looked at only, needed, or not observed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cached_property

from snoop_analysis.closure import Closure, Reason
from snoop_analysis.closure.policy import Policy, followed, matcher
from snoop_analysis.errors import OptionError
from snoop_analysis.image import Image, Inode, Kind
from snoop_analysis.observed import Observed, Use
from snoop_analysis.packages import Package, installed, owners


class Verdict(StrEnum):
    """What was seen of a file. There is no word for a file that is never used."""

    USED = "used"
    LOOKED_AT = "looked at only"
    NEEDED = "needed by a used file"
    NOT_OBSERVED = "not observed"


@dataclass(frozen=True, slots=True)
class FileVerdict:
    """One name in an image, and what became of it.

    Attributes:
        path: the name.
        inode: what it stands for.
        verdict: what was seen.
        kept: whether it stays: all but what was not observed, unless a policy says otherwise.
        bytes: what it weighs: of several names of one file (hard links) one has its size.
        package: the package it belongs to; null if none.
        last_seen: the last call on it; null if there was none, or without a time.
        reason: the first reason to keep it; null if there is none.
        inferred: the kernel opened it by itself, and no event says so.
    """

    path: str
    inode: Inode
    verdict: Verdict
    kept: bool
    bytes: int
    package: Package | None
    last_seen: datetime | None
    reason: Reason | None
    inferred: bool


@dataclass(frozen=True)
class Judgement:
    """The verdicts on all files of an image.

    ``looked_at_stays`` is false where files that were looked at only are dropped.
    """

    image: Image
    observed: Observed
    closure: Closure
    policy: Policy
    looked_at_stays: bool = True

    @cached_property
    def files(self) -> list[FileVerdict]:
        """A verdict on every name, in the order of the image."""
        owner = owners(self.packages, self.image)
        return [
            self._judge(path, inode, owner.get(path)) for path, inode in self.image.files.items()
        ]

    @property
    def packages(self) -> list[Package]:
        """The packages in the image."""
        return self._installed[0]

    @property
    def unread_packages(self) -> list[str]:
        """Why packages of some kind are not told apart, a sentence each."""
        return self._installed[1]

    @cached_property
    def _installed(self) -> tuple[list[Package], list[str]]:
        return installed(self.image)

    @cached_property
    def kept(self) -> dict[str, Inode]:
        """The names that stay, a directory before what is in it."""
        stay = {path for path in self.image.files if self._stays(path)}
        for path in list(stay):  # whatever a policy says of the directories above it
            parent = path.rpartition("/")[0]
            while parent in self.closure.reasons and parent not in stay:
                stay.add(parent)
                parent = parent.rpartition("/")[0]
        return {path: inode for path, inode in self.image.files.items() if path in stay}

    def verdict(self, name: str) -> Verdict:
        """What was seen of the file with this name, whatever links lead to it.

        Raises:
            OptionError: there is none in the image.
        """
        path = name if name in self.image.files else self.image.find(name, follow=False).end
        if path is None:
            raise OptionError(f"{name!r} is not in the image")
        use = self.observed.files.get(path)
        if use is not None:
            return Verdict.USED if use.uses else Verdict.LOOKED_AT
        return Verdict.NEEDED if path in self.closure.needed else Verdict.NOT_OBSERVED

    def dropped_although_used(self) -> list[str]:
        """What a policy drops although it was used or is needed."""
        return [
            path for path in self.closure.needed if path not in self.kept and self._is_dropped(path)
        ]

    def why(self, name: str) -> Iterator[str]:
        """The verdict on a name, and each reason for it down to what was seen, as lines."""
        way = self.image.find(name, follow=False)
        if way.end is None:
            yield f"{name}: not in the image"
            return
        reasons = self.closure.reasons.get(way.end, ())
        dropped = ", dropped" if reasons and way.end not in self.kept else ""
        yield f"{way.end}: {self.verdict(way.end)}{dropped}"
        for reason in reasons:
            yield from self._explained(reason, way.end)
        if way.end != (name.rstrip("/") or "/"):
            yield f"  {name} is another name for it"

    def _explained(self, reason: Reason, path: str) -> Iterator[str]:
        """A reason, then one for its cause, and so on down to what was seen."""
        chain = {path}
        margin = "  "
        while True:
            if reason.rule == "observed":
                yield f"{margin}{_seen(self.observed.files[path])}"
                return
            cause = f" {reason.cause}" if reason.cause else ""
            inferred = " (inferred: the kernel opens it by itself)" if reason.inferred else ""
            yield f"{margin}{reason.text}{cause}{inferred}"
            path = reason.cause or ""
            chain.add(path)
            further = [one for one in self.closure.reasons.get(path, ()) if one.cause not in chain]
            if not further:
                return
            reason = further[0]
            margin += "  "

    def _stays(self, path: str) -> bool:
        if path == "/":
            return True
        reasons = self.closure.reasons.get(path, ())
        if not reasons:
            return False
        rules = {one.rule for one in reasons}
        if "policy" in rules:
            return True
        is_file = self.image.files[path].kind is Kind.FILE  # the rest weighs nothing
        if not self.looked_at_stays and rules == {"observed"} and is_file:
            return self.verdict(path) is Verdict.USED
        return not self._is_dropped(path)

    def _is_dropped(self, path: str) -> bool:
        """Whether the policy says that it goes."""
        return self._dropped.match(path) is not None

    @cached_property
    def _dropped(self) -> re.Pattern[str]:
        return matcher(followed(self.image, self.policy.drop))

    @cached_property
    def _weighing(self) -> dict[Inode, str]:
        """The name of each file that its size counts for: one that stays, if any does."""
        weighing = {inode: path for path, inode in reversed(self.kept.items())}
        return self.image.first_names | weighing

    def _judge(self, path: str, inode: Inode, package: Package | None) -> FileVerdict:
        use = self.observed.files.get(path)
        reasons = list(self.closure.reasons.get(path, ()))
        return FileVerdict(
            path=path,
            inode=inode,
            verdict=self.verdict(path),
            kept=path in self.kept,
            bytes=inode.size if self._weighing[inode] == path else 0,
            package=package,
            last_seen=use.last_seen if use else None,
            reason=reasons[0] if reasons else None,
            inferred=bool(reasons) and use is None and any(one.inferred for one in reasons),
        )


def _seen(use: Use) -> str:
    """What was seen of a file, as a sentence."""
    did = "used" if use.uses else "looked at only"
    number = use.uses + use.looks
    calls = f"{number:,} call{'' if number == 1 else 's'}"
    times = f", last at {use.last_seen.isoformat()}" if use.last_seen else ""
    by = f", by {', '.join(sorted(use.programs))}" if use.programs else ""
    through = f", as {', '.join(sorted(use.names)[:3])}" if use.names else ""
    return f"{did}: {calls} ({', '.join(sorted(use.syscalls))}){times}{by}{through}"
