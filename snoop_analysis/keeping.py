# SPDX-License-Identifier: Apache-2.0
"""What to keep of an image, as files for other programs."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Final

from snoop_analysis.dockerfile import dockerfile
from snoop_analysis.exporting import left_out
from snoop_analysis.image import Kind
from snoop_analysis.replacing import AnyPath, replaced
from snoop_analysis.verdict import Judgement


def write_list(judgement: Judgement, kind: str, path: AnyPath) -> list[str]:
    """Write what stays of an image to ``path``.

    Args:
        judgement: the verdicts.
        kind: ``keep`` (paths, one a line), ``rsync`` (rsync --include-from), ``tar`` (tar
            --files-from, at the root of the image), ``slim`` (slim --include-path-file) or
            ``dockerfile``.
        path: the file; it is there whole or not at all.

    Returns:
        What people should know, in sentences.

    Raises:
        OSError: it cannot be written.
    """
    if kind == "dockerfile":
        write_lines(path, dockerfile(judgement.image.config), judgement.image.name)
        return []
    names = [one for one in judgement.kept if one != "/"]
    if kind == "slim":
        names = [one for one in names if _is_for_slim(one, judgement)]
    writable = [one for one in names if not set(one) & {"\n", "\r"}]
    lines = _LISTS[kind](writable, judgement)
    write_lines(path, lines, judgement.image.name)
    return left_out(len(names) - len(writable))


def write_lines(path: AnyPath, lines: Iterable[str], image: str) -> None:
    """Write lines to a file, which is there whole or not at all.

    Raises:
        OptionError: it is the image, or in a session.
        OSError: it cannot be written.
    """
    with replaced(path, image) as target, target.open("wb") as file:
        file.writelines(one.encode(errors="surrogateescape") + b"\n" for one in lines)


def _is_for_slim(name: str, judgement: Judgement) -> bool:
    """Slim makes directories itself, and takes all that is in one it is told of."""
    image = judgement.image
    if image.files[name].kind is not Kind.DIRECTORY:
        return True
    return name not in judgement.observed.mounts and not image.below(name)


def _paths(names: Iterable[str], judgement: Judgement) -> list[str]:  # noqa: ARG001
    return list(names)


def _for_rsync(names: Iterable[str], judgement: Judgement) -> list[str]:
    """Patterns anchored at the root of the transfer, and nothing else (rsync(1), FILTER RULES)."""
    patterns = []
    for name in names:
        escaped = re.sub(r"([*?\[\\])", r"\\\1", name) if set(name) & set("*?[") else name
        slash = "/" if judgement.image.files[name].kind is Kind.DIRECTORY else ""
        patterns.append(f"+ {escaped}{slash}")
    return [*patterns, "- *"]


def _for_tar(names: Iterable[str], judgement: Judgement) -> list[str]:  # noqa: ARG001
    """Names from the root on; with ``--no-recursion --verbatim-files-from``."""
    return [f".{one}" for one in names]


_LISTS: Final[dict[str, Callable[[Iterable[str], Judgement], list[str]]]] = {
    "keep": _paths,
    "rsync": _for_rsync,
    "tar": _for_tar,
    "slim": _paths,
}
