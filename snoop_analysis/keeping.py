# SPDX-License-Identifier: Apache-2.0
"""What to keep of an image, as files for other programs."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final

from snoop_analysis.image import Config, Kind
from snoop_analysis.replacing import replaced
from snoop_analysis.verdict import Judgement


def write_list(judgement: Judgement, kind: str, path: Path) -> list[str]:
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
        write_lines(path, _dockerfile(judgement.image.config))
        return []
    names = [one for one in judgement.kept if one != "/"]
    if kind == "slim":  # it makes directories itself
        names = [one for one in names if judgement.image.files[one].kind is not Kind.DIRECTORY]
    writable = [one for one in names if not set(one) & {"\n", "\r"}]
    lines = _LISTS[kind](writable, judgement)
    write_lines(path, lines)
    left_out = len(names) - len(writable)
    if not left_out:
        return []
    return [f"left out {left_out} files with a line break in their name: the list cannot say them"]


def write_lines(path: Path, lines: Iterable[str]) -> None:
    """Write lines to a file, which is there whole or not at all.

    Raises:
        OSError: it cannot be written.
    """
    with replaced(path) as target, target.open("wb") as file:
        file.writelines(one.encode(errors="surrogateescape") + b"\n" for one in lines)


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


def _dockerfile(config: Config) -> list[str]:
    """A Dockerfile around ``--write slim.tar``, with what the image's configuration says."""
    lines = [
        "# Beside slim.tar, which snoop-analyze unused ... --write slim.tar writes.",
        "FROM scratch",
        "ADD slim.tar /",
    ]
    for variable in config.strings("Env"):
        key, _, value = variable.partition("=")
        lines.append(_instruction("ENV", f"{key}={_quoted(value)}"))
    for label, text in _sorted(config, "Labels"):
        lines.append(_instruction("LABEL", f"{_quoted(label)}={_quoted(str(text))}"))
    lines += [_instruction("EXPOSE", port) for port, _ in _sorted(config, "ExposedPorts")]
    lines += [_instruction("VOLUME", _json([path])) for path, _ in _sorted(config, "Volumes")]
    for name, word in (("WorkingDir", "WORKDIR"), ("User", "USER"), ("StopSignal", "STOPSIGNAL")):
        if config.text(name):
            lines.append(_instruction(word, config.text(name)))
    for name, word in (("Entrypoint", "ENTRYPOINT"), ("Cmd", "CMD")):
        if config.strings(name):
            lines.append(_instruction(word, _json(config.strings(name))))
    return lines


def _instruction(word: str, text: str) -> str:
    """A line of a Dockerfile; what holds a line break would be two."""
    if text.isprintable():
        return f"{word} {text}"
    return f"# {word} is left out: its value holds what a Dockerfile cannot say"


def _sorted(config: Config, name: str) -> list[tuple[str, object]]:
    found = config.container.get(name)
    return sorted(found.items(), key=lambda one: one[0]) if isinstance(found, dict) else []


def _json(words: list[str]) -> str:
    return json.dumps(words, ensure_ascii=False)


def _quoted(value: str) -> str:
    """In double quotes, in which a Dockerfile would replace variables."""
    return json.dumps(value, ensure_ascii=False).replace("$", "\\$")
