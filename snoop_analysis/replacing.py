# SPDX-License-Identifier: Apache-2.0
"""Files that are replaced as a whole."""

import errno
import os
import shutil
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final
from uuid import uuid4

from snoop_analysis.errors import OptionError
from snoop_format.session import SESSION_FILE, put_in_place

STANDARD_OUTPUT: Final = Path("/dev/stdout")
_MOST_LINKS: Final = 40  # as many as Linux follows
_OF_SESSIONS: Final = ("session.", "events-", "summary.")

AnyPath = str | PathLike[str]


def check_outputs(paths: Iterable[AnyPath | None], inputs: Iterable[AnyPath] = ()) -> None:
    """Refuse to write over what is read, or what is written besides.

    Args:
        paths: what is to be written; null is nothing. What takes several outputs, one after the
            other, may be there more than once: a terminal, a pipe, an open descriptor.
        inputs: what is read besides captures, which need not be given. Of a directory, what is in
            it.

    Raises:
        OptionError: a path is one of these, by whatever name, or has the name of a session's file
            in a session; or two of ``paths`` are one file, by whatever names.
    """
    read = [_resolved(one) for one in inputs]
    written = [one for one in paths if one]
    for given in written:
        target = _resolved(given)
        if target.is_file() and any(_holds(one, target) for one in read):
            raise OptionError(f"{given} is what is read: write to another file")
        if target.name.startswith(_OF_SESSIONS) and _is_session(target.parent):
            raise OptionError(
                f"{given} would be a file of the capture {target.parent}: write to another one"
            )
    _check_apart([one for one in written if not _takes_several(Path(one))])


def _check_apart(paths: Iterable[AnyPath]) -> None:
    """Refuse two names of one file.

    Raises:
        OptionError: there are two.
    """
    known: dict[Path, AnyPath] = {}
    for given in paths:
        target = _resolved(given)
        if target in known:
            same = "" if Path(known[target]) == Path(given) else f", which is {known[target]}"
            raise OptionError(f"two outputs would go to {given}{same}: write each to its own file")
        known[target] = given


def _takes_several(path: Path) -> bool:
    """Whether what is written to a path stands behind what was written to it before."""
    if not path.exists():
        return False
    return _descriptor(path) is not None or not (path.is_file() or path.is_dir())


def _resolved(path: AnyPath) -> Path:
    """A path without links; of links in a circle (which ``Path.resolve`` refuses) one of them."""
    return Path(os.path.realpath(path))


def _holds(read: Path, target: Path) -> bool:
    """Whether a file is what is read; what is below ``/`` is not, if the image is that."""
    if read.is_dir():
        return read in target.parents and read != Path(read.anchor)
    return read.exists() and read.samefile(target)


def _is_session(directory: Path) -> bool:
    try:
        return (directory / SESSION_FILE).exists()
    except OSError:  # what cannot be read cannot be written to, either
        return False


@contextmanager
def replaced(given: AnyPath, *inputs: AnyPath) -> Iterator[Path]:
    """A path to write to; at the end ``path`` holds that, and until then what it held before.

    A terminal or a pipe is written to at once; what an open descriptor leads to, under a name such
    as ``STANDARD_OUTPUT``, at the end, where the descriptor stands in it: a shell may have opened
    it, and have other programs write to it too. Directories on the way are made.

    Args:
        given: ``path``.
        inputs: what it must not be, besides a file of a session.

    Raises:
        OptionError: it is one of these.
        OSError: it cannot be written; the error names ``path``.
    """
    path = Path(given)
    check_outputs([path], inputs)
    descriptor = _descriptor(path) if path.exists() else None
    if descriptor is not None:
        with _copied_to(descriptor) as copied:
            yield copied
        return
    if path.exists() and not path.is_file() and not path.is_dir():
        with _naming(path, path):
            yield path
        return
    target = _resolved(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".snoop-analyze-{uuid4().hex}.tmp")
    with _naming(path, temporary):
        try:
            temporary.touch()  # the operating system says best why it cannot
            yield temporary
            put_in_place(temporary, target)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def _naming(path: Path, written: Path) -> Iterator[None]:
    """Has errors of what is ``written`` name ``path``, for which it stands.

    Raises:
        OSError: it cannot be written.
    """
    no_room = os.strerror(errno.ENOSPC)
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        if error.filename not in (None, str(written)):
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error
    except Exception as error:  # DuckDB says it in a text of its own
        if written.name not in str(error) or no_room not in str(error):
            raise
        raise OSError(errno.ENOSPC, no_room, str(path)) from error


def for_database(path: Path) -> str:
    """``path``, one of ``replaced``, as DuckDB takes it.

    Raises:
        OptionError: its directory has a name that is not UTF-8.
    """
    try:
        return str(path).encode().decode()
    except UnicodeEncodeError:
        raise OptionError(
            f"the name of {path.parent} is not UTF-8: write to another directory"
        ) from None


def _descriptor(path: Path) -> int | None:
    """The descriptor of this process that a path such as ``/dev/fd/3`` names; null if none."""
    own = Path("/proc/self/fd").resolve()
    for _ in range(_MOST_LINKS):
        if path.parent.resolve() == own:
            return int(path.name) if path.name.isdecimal() else None
        if not path.is_symlink():
            return None
        path = path.parent / path.readlink()
    return None


@contextmanager
def _copied_to(descriptor: int) -> Iterator[Path]:
    """A path to write to; at the end that is written to ``descriptor``, behind what is printed."""
    with TemporaryDirectory(prefix="snoop-analyze-") as directory:
        temporary = Path(directory) / "output"
        yield temporary
        sys.stdout.flush()
        with temporary.open("rb") as written, os.fdopen(os.dup(descriptor), "wb") as file:
            shutil.copyfileobj(written, file)
