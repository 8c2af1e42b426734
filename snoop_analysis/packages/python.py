# SPDX-License-Identifier: Apache-2.0
"""Python distributions: the ``RECORD`` of each ``.dist-info`` (PEP 376, PEP 427)."""

from __future__ import annotations

import csv
import posixpath
from collections.abc import Iterator

from snoop_analysis.errors import ImageError
from snoop_analysis.image import Image
from snoop_analysis.packages.package import Package
from snoop_analysis.packages.stanzas import stanzas
from snoop_analysis.packages.text import lines, text_of


def packages(image: Image) -> Iterator[Package]:
    """The distributions that say which files are theirs."""
    for path in image.files:
        directory, name = posixpath.split(path)
        if name != "RECORD" or not directory.endswith(".dist-info"):
            continue
        home = posixpath.dirname(directory)
        try:
            rows = list(csv.reader(line for line in lines(image, path) if "\0" not in line))
        except csv.Error as error:
            raise ImageError(f"{path} is damaged: {error}") from error
        files = [posixpath.normpath(posixpath.join(home, row[0])) for row in rows if row and row[0]]
        fields = next(stanzas(text_of(image, f"{directory}/METADATA")), {})
        yield Package(
            "python",
            fields.get("Name", posixpath.basename(directory).partition("-")[0]),
            fields.get("Version", "?"),
            tuple(files),
            tuple(one for one in files if one.startswith(f"{directory}/")),
            home,
        )
