# SPDX-License-Identifier: Apache-2.0
"""Which containers of a capture ran an image."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from snoop_analysis.errors import OptionError

if TYPE_CHECKING:
    from snoop_analysis.image import Image
    from snoop_analysis.replay import Replay

_DIGEST: Final = re.compile(r"sha(?:256|512):[0-9a-f]{64,128}")


@dataclass(frozen=True, slots=True)
class Ran:
    """The containers that count, by number; and what a person should know of it, in sentences."""

    numbers: tuple[int, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Container:
    number: int
    name: str
    image: str | None
    digest: str | None
    has_events: bool
    sessions: tuple[int, ...]


def ran(replay: Replay, image: Image, force: bool) -> Ran:
    """The containers of ``replay`` that ran ``image``, by its digest.

    Containers whose digest the recording does not say count. Where the image has no digest (a root
    directory, an archive of one), the containers have to agree on one.

    Args:
        replay: the containers that were asked for.
        image: the image.
        force: count all of them.

    Raises:
        OptionError: all images that a session knows are others, or there is no container.
    """
    containers = _containers(replay)
    if not containers:
        raise OptionError("the capture has no container: nothing was recorded")
    known = {one.digest for one in containers if one.digest}
    wanted = {digest for digest in map(digest_of, image.digests) if digest} or known
    if not known:
        return Ran(tuple(one.number for one in containers), (_without_digest(containers),))
    if force:
        return Ran(tuple(one.number for one in containers), tuple(_told(known, wanted)))
    if not image.digests and len(known) > 1:
        raise OptionError(
            f"the containers ran different images ({', '.join(sorted(known))}), and {image.name} "
            "does not say which it is: choose with --container, or count all with --force"
        )
    counted = [one for one in containers if one.digest is None or one.digest in wanted]
    _check_sessions(replay, containers, wanted, image)
    others = [one for one in containers if one not in counted]
    notes = [] if image.digests else _told(known, wanted)
    if others:
        names = ", ".join(f"{one.name} ({one.digest})" for one in others)
        notes.append(f"containers of other images do not count: {names}")
    nameless = [one.name for one in counted if one.digest is None and one.has_events]
    if nameless:
        notes.append(f"containers that may have run another image count too: {', '.join(nameless)}")
    return Ran(tuple(one.number for one in counted), tuple(notes))


def _without_digest(containers: list[_Container]) -> str:
    names = sorted({one.image for one in containers if one.image})
    if not names:
        return "the recording does not say which image the containers ran"
    return (
        f"the recording names the image of the containers ({', '.join(names)}), but no digest to "
        f"compare: record with --image {names[0]}@sha256:… (docker image inspect shows it as Id)"
    )


def _told(known: set[str], wanted: set[str]) -> list[str]:
    if known == wanted:
        return [f"the image has no digest to compare with that of the containers: {_list(known)}"]
    if known - wanted:
        return [f"containers of other images count too, as forced: {_list(known - wanted)}"]
    return []


def _list(digests: set[str]) -> str:
    return ", ".join(sorted(digests))


def _containers(replay: Replay) -> list[_Container]:
    rows = replay.query(
        "SELECT chosen.container_no, any_value(chosen.name), any_value(image), "
        "any_value(image_digest), any_value(stats.events) > 0, "
        "list_sort(list(DISTINCT session_no)) "
        "FROM chosen JOIN container_cgroups USING (container_no) JOIN stats USING (container_no) "
        "GROUP BY chosen.container_no ORDER BY chosen.container_no"
    ).fetchall()
    return [
        _Container(number, name, image, digest_of(digest), has_events, tuple(sessions))
        for number, name, image, digest, has_events, sessions in rows
    ]


def digest_of(said: str | None) -> str | None:
    """The digest in ``docker.io/library/nginx@sha256:…``, or what is said as it is."""
    found = _DIGEST.search(said or "")
    return found[0] if found else said


def _check_sessions(
    replay: Replay, containers: list[_Container], wanted: set[str], image: Image
) -> None:
    """A capture of another image alone is a mistake, not an empty answer.

    So it is with containers whose image is not known beside it, like the pause of a pod.
    """
    for number, session in enumerate(replay.capture.sessions_found):
        own = {one.digest for one in containers if number in one.sessions and one.digest}
        if own and own.isdisjoint(wanted):
            raise OptionError(
                f"{session.directory} is of another image: its containers ran {_list(own)}, and "
                f"{image.name} is {', '.join(image.digests)}; count it all the same with --force "
                "(docker save, for one, does not keep the digest that a registry gave)"
            )
