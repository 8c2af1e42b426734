# SPDX-License-Identifier: Apache-2.0
"""From captures and an image to the verdicts."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from snoop_analysis.closure import RULES, close
from snoop_analysis.closure.policy import Policy, meaningless, preset
from snoop_analysis.doubts import Standing, standing
from snoop_analysis.errors import OptionError
from snoop_analysis.matching import ran
from snoop_analysis.observed import observe
from snoop_analysis.packages import installed, metadata
from snoop_analysis.started import started
from snoop_analysis.totals import summary
from snoop_analysis.verdict import Judgement

if TYPE_CHECKING:
    from snoop_analysis.capture import Capture
    from snoop_analysis.image import Image
    from snoop_analysis.replay import Replay

SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class Answer:
    """The verdicts on an image, and how far they can be relied on.

    Attributes:
        judgement: the verdicts.
        standing: what was recorded, and what may be missing.
        notes: what else a person should know, a sentence each.
        replay: what they were drawn from.
    """

    judgement: Judgement
    standing: Standing
    notes: tuple[str, ...]
    replay: Replay

    def heading(self) -> list[str]:
        """The first lines: what may be missing, what was recorded, and what to know of it."""
        return [*self.standing.heading(), *self.notes]

    def summary(self) -> list[str]:
        """Files and bytes by verdict, and the packages of which nothing was observed."""
        return summary(self.judgement)


def judge(
    capture: Capture,
    image: Image,
    policy: Policy | None = None,
    *,
    containers: Sequence[str | int] | None = None,
    since: datetime | str | None = None,
    until: datetime | str | None = None,
    force: bool = False,
    keep_metadata: bool = False,
    drop_looked_at: bool = False,
    without_rules: Collection[str] = (),
) -> Answer:
    """What became of every file of an image.

    Args:
        capture: what was recorded; all its containers of this image count together.
        image: the image.
        policy: what else to keep or drop, beside what the system's own policy says.
        containers: as in ``Capture.replay``.
        since: as there.
        until: as there.
        force: count containers of other images too.
        keep_metadata: keep what package managers wrote down.
        drop_looked_at: drop files that were looked at only.
        without_rules: rules not to apply, of ``closure.RULES``.

    Raises:
        OptionError: a setting with a value it cannot have, or a capture of another image.
        CaptureError: a segment turns out to be damaged.
    """
    unknown = sorted(set(without_rules) - set(RULES))
    if unknown:
        raise OptionError(f"there is no rule {unknown[0]!r}; there are {', '.join(RULES)}")
    replay = capture.replay(exclude=(), containers=containers, since=since, until=until)
    counted = ran(replay, image, force)
    numbers = ", ".join(map(str, counted.numbers))
    replay.execute(
        f"CREATE TABLE counted AS SELECT * FROM chosen WHERE container_no IN ({numbers})"
    )
    whole = (policy or Policy()) + preset(SYSTEM)
    if keep_metadata:
        whole += Policy(names=tuple(metadata(installed(image)[0])))
    observed = observe(replay, image)
    closure = close(image, observed, started(replay, image), whole, without_rules)
    judgement = Judgement(image, observed, closure, whole, not drop_looked_at)
    return Answer(
        judgement,
        standing(replay, observed, closure),
        (*counted.notes, *_notes(replay, judgement)),
        replay,
    )


def _notes(replay: Replay, judgement: Judgement) -> Iterator[str]:
    unknown = replay.query(
        "SELECT name FROM counted ANTI JOIN mounts USING (container_no) "
        "SEMI JOIN (FROM stats WHERE events > 0) AS seen USING (container_no) ORDER BY container_no"
    ).fetchall()
    if unknown:
        names = ", ".join(name for (name,) in unknown)
        yield f"files on volumes may count as the image's: what was mounted is not known of {names}"
    dropped = len(judgement.dropped_although_used())
    if dropped:
        yield f"used or needed, and dropped by the policy: {dropped:,}"
    for pattern in meaningless(judgement.image, judgement.policy):
        yield f"the policy's pattern {pattern} means no file of the image"
    yield from (one for one, matters in judgement.closure.unknown.items() if not matters)
    yield from judgement.unread_packages
