# SPDX-License-Identifier: Apache-2.0
"""Debian packages: dpkg's database, and the one of distroless images.

Source: dpkg(1), "FILES"; distroless images have a stanza for each package in ``status.d``, and
beside it the list of its files with their checksums.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from typing import Final

from snoop_analysis.image import Image
from snoop_analysis.packages.package import Package
from snoop_analysis.packages.stanzas import stanzas
from snoop_analysis.packages.text import lines, text_of

METADATA: Final = ("/var/lib/dpkg/status", "/var/lib/dpkg/diversions")
_INFO: Final = "/var/lib/dpkg/info"
_DISTROLESS: Final = "/var/lib/dpkg/status.d"


def packages(image: Image) -> Iterator[Package]:
    """The packages that have files in the image."""
    about: dict[str, list[str]] = {}
    for path in image.below(_INFO):
        about.setdefault(posixpath.basename(path).rpartition(".")[0], []).append(path)
    for fields in stanzas(text_of(image, "/var/lib/dpkg/status")):
        name = fields.get("Package", "")
        own = about.get(name) or about.get(f"{name}:{fields.get('Architecture', '')}")
        if own:
            listed = next((one for one in own if one.endswith(".list")), "")
            files = [one for one in lines(image, listed) if one.startswith("/")]
            yield _package(fields, files, own)
    for path in image.below(_DISTROLESS):
        if not path.endswith(".md5sums"):
            for fields in stanzas(text_of(image, path)):
                sums = f"{path}.md5sums"
                files = [f"/{line.partition('  ')[2]}" for line in lines(image, sums)]
                yield _package(fields, files, [path, sums])


def _package(fields: dict[str, str], files: list[str], about: list[str]) -> Package:
    name, version = fields.get("Package", "?"), fields.get("Version", "?")
    return Package("dpkg", name, version, tuple(files), tuple(about))
