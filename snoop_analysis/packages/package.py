# SPDX-License-Identifier: Apache-2.0
"""A package in an image."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, eq=False)
class Package:
    """A package that is installed in an image.

    Attributes:
        kind: ``dpkg``, ``apk``, ``rpm``, ``python`` or ``node``.
        name, version: as its package manager says them.
        files: the paths it owns, as its package manager says them.
        metadata: files that are about it and not of it.
        home: the directory it is installed in, where there may be several of this name; empty
            for a package of the system.
    """

    kind: str
    name: str
    version: str
    files: tuple[str, ...] = field(repr=False)
    metadata: tuple[str, ...] = field(default=(), repr=False)
    home: str = ""

    def __str__(self) -> str:
        """Name, version, kind, and where it is."""
        place = f" in {self.home}" if self.home else ""
        return f"{self.name} {self.version} ({self.kind}){place}"
