# SPDX-License-Identifier: Apache-2.0
"""What a container touches first: what an image that is pulled lazily should send first."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from snoop_analysis.closure.libraries import Libraries
from snoop_analysis.closure.reasons import Need, Subject
from snoop_analysis.closure.scripts import interpreter
from snoop_analysis.errors import OptionError
from snoop_analysis.image import Kind
from snoop_analysis.names import text_in_image
from snoop_analysis.sqltext import statement

if TYPE_CHECKING:
    import duckdb

    from snoop_analysis.image import Image
    from snoop_analysis.replay import Replay

_LONGEST: Final = 1e9  # seconds: thirty years


def startup(replay: Replay, seconds: float) -> duckdb.DuckDBPyRelation:
    """What each container touched in its first ``seconds``; columns in ``sql/startup.sql``.

    Raises:
        OptionError: that is no number of seconds, or the replay went on from a state.
    """
    replay.check_has_all_events("a list of what was touched first")
    if not 0 < seconds <= _LONGEST:
        raise OptionError(
            f"seconds cannot be {seconds}: give a number above 0, at most {_LONGEST:,.0f}"
        )
    replay.execute(statement("calls"))
    return replay.query(statement("startup").replace("/* seconds */", repr(float(seconds))))


def begun_before(replay: Replay) -> list[str]:
    """The containers that were running when recording began: what they touched first is unknown.

    Raises:
        OptionError: the replay went on from a state.
    """
    replay.check_has_all_events("a list of what was running before")
    replay.execute(statement("calls"))
    replay.execute("CREATE OR REPLACE TABLE counted AS SELECT * FROM chosen")
    begun = [replay.query(statement(name)) for name in ("running", "begun_before")]
    numbers = {row[0] for relation in begun for row in relation.fetchall()}
    names = replay.query("SELECT container_no, name FROM chosen ORDER BY container_no").fetchall()
    return [name for number, name in names if number in numbers]


def prefetch(replay: Replay, seconds: float, image: Image) -> Iterator[str]:
    """Lines of the record that stargz tools read: each file of the image once, in order of use.

    What the kernel opens by itself, interpreters, stands behind the program that needs it, but for
    one with a relative path, which may be any file. Source:
    ``recorder.Entry`` of containerd/stargz-snapshotter, as ``ctr-remote images optimize
    --record-out`` writes it and ``nerdctl image convert --estargz-record-in`` reads it.
    """
    libraries = Libraries(image)
    sent: set[str] = set()
    touched = startup(replay, seconds).filter("used_after IS NOT NULL")
    ordered = touched.order("used_after, container, position").project("file, executed")
    for name, executed in ordered.fetchall():
        todo = [Need(text_in_image(name), "", executed=executed)]
        while todo:
            need = todo.pop()
            end = image.find(need.path).end
            if end is None or end in sent or image.files[end].kind is not Kind.FILE:
                continue
            sent.add(end)
            yield _entry(end, image)
            if need.executed:
                subject = Subject(end, executed=True)
                found = (*interpreter(image, subject), *libraries.interpreter(subject))
                needs = (one for one in found if isinstance(one, Need))
                todo += (one for one in needs if one.path.startswith("/"))


def _entry(path: str, image: Image) -> str:
    entry: dict[str, object] = {"path": path[1:].encode(errors="replace").decode()}
    if image.digests:
        entry |= {"manifestDigest": image.digests[0], "layerIndex": image.files[path].layer}
    return json.dumps(entry, ensure_ascii=False)
