# SPDX-License-Identifier: Apache-2.0
"""Replays as files for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from snoop_analysis.display.cells import counted
from snoop_analysis.names import name_to_bytes
from snoop_analysis.replacing import AnyPath, for_database, replaced
from snoop_analysis.replay import RESULT_COLUMNS
from snoop_analysis.sqltext import literal, statement
from snoop_format.schema import PATH_BYTES

if TYPE_CHECKING:
    from snoop_analysis.replay import Replay

_FORMATS: Final = {
    "csv": "FORMAT csv, HEADER",
    "json": "FORMAT json",
    "parquet": "FORMAT parquet, COMPRESSION zstd",
}


def export(replay: Replay, kind: str, path: AnyPath) -> list[str]:
    """Write ``path``: events as csv, json or parquet, or the files found as slim takes them.

    In the events, ``file`` is a name as ``sql/normalise.sql`` has it; csv and json have no bytes,
    so ``path_bytes`` and the like are hexadecimal there. Of a replay that went on from a state,
    they are the events since then.

    Returns:
        What people should know, in sentences.

    Raises:
        OptionError: the files are asked for of a replay that went on from a state: what earlier
            events led to is not known to it.
        OSError: the file cannot be written.
    """
    if kind == "slim":
        replay.check_has_all_events("the list for slim")
    with replaced(path) as target:
        if kind == "slim":
            return _write_include_paths(replay, target)
        _write_events(replay, kind, target)
    return []


def _write_events(replay: Replay, kind: str, path: Path) -> None:
    columns = RESULT_COLUMNS
    if kind != "parquet":
        columns += f" REPLACE ({', '.join(f'hex({name}) AS {name}' for name in PATH_BYTES)})"
    replay.execute(
        f"COPY (SELECT {columns} FROM {replay.results_view()}) "
        f"TO {literal(for_database(path))} ({_FORMATS[kind]})"
    )


def _write_include_paths(replay: Replay, path: Path) -> list[str]:
    """One path a line, as bytes: ``slim build --include-path-file`` (slimtoolkit)."""
    names = [name for (name,) in replay.query(statement("include_paths")).fetchall()]
    writable = [name for name in names if not set(name) & {"\n", "\r"}]
    path.write_bytes(b"".join(name_to_bytes(name) + b"\n" for name in writable))
    return left_out(len(names) - len(writable))


def left_out(number: int) -> list[str]:
    """What to say of so many files that a list of a name a line cannot have."""
    if not number:
        return []
    return [f"left out {counted(number, 'file')} with a line break in the name: no list says those"]
