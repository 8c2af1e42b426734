# SPDX-License-Identifier: Apache-2.0
"""Files that are replaced as a whole."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from snoop_format.session import put_in_place


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """A path to write to; at the end ``path`` holds that, and until then what it held before.

    A terminal or a pipe is written to at once. Directories on the way are made.

    Raises:
        OSError: it cannot be written; the error names ``path``.
    """
    if path.exists() and not path.is_file() and not path.is_dir():
        yield path  # not resolved: /dev/stdout may lead to what has no path
        return
    target = path.resolve()
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        temporary.touch()  # the operating system says best why it cannot
        try:
            yield temporary
            put_in_place(temporary, target)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        if error.filename != str(temporary):
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error
