# SPDX-License-Identifier: Apache-2.0
"""``session.json`` and the names of the files of a session directory."""

import contextlib
import json
import os
import re
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from snoop_format.errors import FormatError
from snoop_format.schema import FORMAT

SESSION_FILE: Final = "session.json"
_PIECE: Final = 1 << 20  # bytes that are read at a time
_NAME_MAX: Final = 255  # bytes of a file's name, limits.h
_SEGMENT: Final = re.compile(r"events-(\d{8,})\.(parquet|arrows)")


def sealed_name(number: int) -> str:
    """Name of sealed segment ``number`` (counted from 1 within a session)."""
    return f"events-{number:08d}.parquet"


def sealed_number(name: str) -> int | None:
    """Number of the sealed segment of that name; null where no segment is called so."""
    digits = re.fullmatch(r"events-(\d+)\.parquet", name) if len(name) <= _NAME_MAX else None
    number = int(digits[1]) if digits else None
    return number if number is not None and sealed_name(number) == name else None


def open_name(number: int) -> str:
    """Name of segment ``number`` while it is being written."""
    return f"events-{number:08d}.arrows"


def segment_metadata(session_id: str, counts: Mapping[str, Any]) -> dict[str, str]:
    """The key-value metadata of a sealed segment.

    Args:
        session_id: of its session.
        counts: what the session had lost when the segment was closed, and the like, by name.
    """
    said = {f"snoop.{name}": json.dumps(value) for name, value in counts.items()}
    return {"snoop.format": str(FORMAT), "snoop.session": session_id, **said}


def segment_entry(
    path: Path, rows: int, first_seq: int | None, last_seq: int | None
) -> dict[str, Any]:
    """What ``session.json`` says of a sealed segment.

    Raises:
        OSError: the file cannot be read.
    """
    return {
        "file": path.name,
        "rows": rows,
        "first_seq": first_seq,
        "last_seq": last_seq,
        "bytes": path.stat().st_size,
        "crc32": checksum(path),
    }


def checksum(path: Path) -> int:
    """The CRC-32 of a file, as zlib has it.

    Raises:
        OSError: the file cannot be read.
    """
    crc = 0
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            crc = zlib.crc32(piece, crc)
    return crc


def segments(directory: Path) -> Iterator[tuple[int, Path]]:
    """The segments of a session as ``(number, path)`` in order, each once.

    Where a segment exists both sealed and open, the recorder was stopped between the two steps
    of sealing: the sealed one counts.
    """
    found: dict[int, Path] = {}
    for entry in directory.iterdir():
        match = _SEGMENT.fullmatch(entry.name)
        if match is None:
            continue
        number = int(match[1])
        if match[2] == "parquet" or number not in found:
            found[number] = entry
    yield from sorted(found.items())


def misnamed_segments(directory: Path) -> list[Path]:
    """Files that look like segments, but for their number."""
    return sorted(
        entry
        for kind in ("parquet", "arrows")
        for entry in directory.glob(f"events-*.{kind}")
        if _SEGMENT.fullmatch(entry.name) is None
    )


def read_session(directory: Path) -> dict[str, Any]:
    """The content of ``session.json``.

    Raises:
        FormatError: it is missing, unreadable, not JSON, or of another format version.
    """
    path = directory / SESSION_FILE
    check_regular(path)
    try:
        session = json.loads(path.read_bytes())
    except FileNotFoundError:
        raise FormatError(
            f"{directory} is not a capture session: it has no {SESSION_FILE}"
        ) from None
    except OSError as error:
        raise FormatError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise FormatError(f"{path} is damaged: {error}") from error
    if not isinstance(session, dict) or type(session.get("format")) is not int:
        raise FormatError(f"{path} does not say which capture format it has")
    if session["format"] != FORMAT:
        newer = ": use a newer snoop" if session["format"] > FORMAT else ""
        raise FormatError(
            f"{path} has capture format {session['format']}; this version of snoop reads "
            f"format {FORMAT}{newer}"
        )
    return session


def check_regular(path: Path) -> None:
    """Refuse what would never end: a pipe, a device.

    Raises:
        FormatError: it is one.
    """
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise FormatError(f"cannot read {path}: it is no regular file")


def write_session(directory: Path, session: Mapping[str, Any]) -> None:
    """Replace ``session.json`` atomically: a reader sees the old one or the new one, whole.

    Raises:
        OSError: the disk is full, read-only or gone; the old one is there as it was.
    """
    text = json.dumps(session, indent=1, ensure_ascii=True) + "\n"
    temporary = directory / (SESSION_FILE + ".tmp")
    try:
        with temporary.open("w", encoding="ascii") as file:
            os.fchmod(file.fileno(), 0o640)
            file.write(text)
        put_in_place(temporary, directory / SESSION_FILE)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def put_in_place(temporary: Path, final: Path) -> None:
    """Give a finished file its final name so that power loss leaves all of it or nothing.

    fsync the file, rename it, fsync the directory: see rename(2) and fsync(2).
    """
    sync(temporary)
    temporary.rename(final)
    sync(final.parent)


def sync(path: Path) -> None:
    """Have a file's content, or a directory's entries, survive a loss of power: fsync(2)."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
