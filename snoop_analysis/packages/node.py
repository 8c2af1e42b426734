# SPDX-License-Identifier: Apache-2.0
"""Node modules: each directory in a ``node_modules``, with all that is in it.

A package in a package's own ``node_modules`` owns its files itself.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from snoop_analysis.image import Image, Kind
from snoop_analysis.packages.package import Package
from snoop_analysis.packages.text import text_of

_MODULES: Final = "node_modules"


def packages(image: Image) -> Iterator[Package]:
    """The modules that have a package.json."""
    files: dict[str, list[str]] = {}
    for path, inode in image.files.items():
        home = _home(path)
        if home is not None and (path != home or inode.kind is Kind.DIRECTORY):
            files.setdefault(home, []).append(path)
    for home, own in files.items():
        said = _said(image, f"{home}/package.json")
        if said is not None:
            name, version = (str(said.get(key) or "?") for key in ("name", "version"))
            yield Package("node", name, version, tuple(own), (f"{home}/package.json",), home)


def _home(path: str) -> str | None:
    """The directory of the module that a file is of; null if it is of none."""
    before, found, after = path.rpartition(f"/{_MODULES}/")
    parts = after.split("/")
    names = parts[:2] if after.startswith("@") else parts[:1]
    if not found or len(names) < (2 if after.startswith("@") else 1) or names[0].startswith("."):
        return None
    return f"{before}/{_MODULES}/{'/'.join(names)}"


def _said(image: Image, path: str) -> dict[str, Any] | None:
    """What package.json says; null if there is none, or none that is JSON."""
    text = text_of(image, path)
    try:
        said = json.loads(text) if text else None
    except (ValueError, RecursionError):
        return None
    return said if isinstance(said, dict) else None
