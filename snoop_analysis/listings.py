# SPDX-License-Identifier: Apache-2.0
"""Verdicts as tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa

from snoop_analysis.breakdown import depth_of
from snoop_analysis.errors import OptionError
from snoop_analysis.names import name_of
from snoop_analysis.sqltext import statement

if TYPE_CHECKING:
    import duckdb

    from snoop_analysis.judging import Answer

KEYS: Final = ("package", "directory", "layer", "verdict", "file", "outside")
NO_PACKAGE: Final = "(no package)"  # for people, in the place of its name
_FILES: Final = pa.schema(
    [
        ("path", pa.string()),
        ("verdict", pa.string()),
        ("kept", pa.bool_()),
        ("inferred", pa.bool_()),
        ("bytes", pa.int64()),
        ("type", pa.string()),
        ("mode", pa.string()),
        ("uid", pa.int64()),
        ("gid", pa.int64()),
        ("target", pa.string()),
        ("hard_link_to", pa.string()),
        ("layer", pa.int64()),
        ("kind", pa.string()),
        ("package", pa.string()),
        ("version", pa.string()),
        ("home", pa.string()),
        ("last_seen", pa.timestamp("us", "UTC")),
        ("reason", pa.string()),
        ("cause", pa.string()),
    ]
)
_OUTSIDE: Final = pa.schema(
    [("path", pa.string()), ("place", pa.string()), ("last_seen", pa.timestamp("us", "UTC"))]
)


def check_key(by: str) -> None:
    """Refuse what there is nothing to list by.

    Raises:
        OptionError: it is neither one of ``KEYS`` nor a directory with a depth.
    """
    if by not in KEYS and not depth_of(by):
        raise OptionError(f"{by!r} is nothing to list by; there are {', '.join(KEYS)}")


def listing(answer: Answer, by: str) -> duckdb.DuckDBPyRelation:
    """The verdicts by package, directory, layer or verdict, or file by file.

    Columns are in ``sql/unused*.sql``.

    Args:
        answer: the verdicts.
        by: one of ``KEYS``; ``directory:3`` for the first three levels; ``outside`` for what was
            used and is not of the image.

    Raises:
        OptionError: there is no such key.
    """
    check_key(by)
    depth = depth_of(by)
    key = "directory" if depth else by
    answer.replay.add_table("image_files", _files(answer))
    answer.replay.add_table("outside", _outside(answer))
    if key in ("file", "outside"):
        return answer.replay.query(statement(f"unused_{key}"))
    names = {"package": "kind, package, version, home"}.get(key, key)
    keys = f"directory_of(path, {depth or 2}) AS directory" if key == "directory" else names
    answer.replay.execute(statement("unused_directory"))
    query = statement("unused").replace("/* keys */", keys).replace("/* names */", names)
    return answer.replay.query(query)


def whole(answer: Answer) -> dict[str, Any]:
    """The answer for programs: how far it can be relied on, then verdicts and packages."""
    standing = answer.standing
    return {
        "image": name_of(answer.judgement.image.name),
        "image_digests": list(answer.judgement.image.digests),
        "complete": standing.complete,
        "doubts": list(standing.doubts),
        "notes": list(answer.notes),
        "captures": standing.captures,
        "hosts": standing.hosts,
        "recorded_seconds": standing.recorded.total_seconds(),
        "first_event": standing.first,
        "last_event": standing.last,
        "events": standing.events,
        "lost": standing.lost,
        "evicted": standing.evicted,
        "retention_gaps": standing.gaps,
        "unresolved_names": standing.unresolved,
        "verdicts": _rows(listing(answer, "verdict")),
        "packages": _rows(listing(answer, "package")),
    }


def _rows(relation: duckdb.DuckDBPyRelation) -> list[dict[str, Any]]:
    return [dict(zip(relation.columns, row, strict=True)) for row in relation.fetchall()]


def _files(answer: Answer) -> pa.Table:
    image = answer.judgement.image
    first = image.first_names
    rows = [
        {
            "path": name_of(one.path),
            "verdict": one.verdict.value,
            "kept": one.kept,
            "inferred": one.inferred,
            "bytes": one.bytes,
            "type": one.inode.kind.value,
            "mode": f"{one.inode.mode:04o}",
            "uid": one.inode.uid,
            "gid": one.inode.gid,
            "target": name_of(one.inode.target) or None,
            "hard_link_to": name_of(first[one.inode]) if first[one.inode] != one.path else None,
            "layer": one.inode.layer,
            "kind": one.package and one.package.kind,
            "package": one.package and name_of(one.package.name),
            "version": one.package and name_of(one.package.version),
            "home": one.package and (name_of(one.package.home) or None),
            "last_seen": one.last_seen,
            "reason": one.reason and name_of(one.reason.text),
            "cause": one.reason and one.reason.cause and name_of(one.reason.cause),
        }
        for one in answer.judgement.files
    ]
    return _table(rows, _FILES)


def _outside(answer: Answer) -> pa.Table:
    rows = [
        {"path": name_of(one.path), "place": name_of(one.place), "last_seen": one.last_seen}
        for one in answer.judgement.observed.outside.values()
    ]
    return _table(rows, _OUTSIDE)


def _table(rows: Sequence[Mapping[str, object]], columns: pa.Schema) -> pa.Table:
    return pa.Table.from_pylist(list(rows), columns)
