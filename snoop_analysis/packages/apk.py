# SPDX-License-Identifier: Apache-2.0
"""Alpine packages: apk's database of installed packages.

Source: apk-installed(5) of apk-tools: ``P`` name, ``V`` version, ``F`` directory, ``R`` file in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from snoop_analysis.image import Image
from snoop_analysis.packages.package import Package
from snoop_analysis.packages.text import lines

METADATA: Final = ("/lib/apk/db/installed", "/usr/lib/apk/db/installed")


def packages(image: Image) -> Iterator[Package]:
    """The packages that are installed."""
    for database in METADATA:
        fields: dict[str, str] = {}
        files: list[str] = []
        for line in (*lines(image, database), ""):
            if not line:
                if "P" in fields:
                    yield Package("apk", fields["P"], fields.get("V", "?"), tuple(files))
                fields, files = {}, []
                continue
            key, _, value = line.partition(":")
            fields[key] = value
            if key == "F":
                files.append(f"/{value}")
            elif key == "R":
                files.append(f"/{fields.get('F', '')}/{value}".replace("//", "/"))
