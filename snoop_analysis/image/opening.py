# SPDX-License-Identifier: Apache-2.0
"""From what a person calls an image to its files."""

from __future__ import annotations

from os import PathLike
from pathlib import Path

from snoop_analysis.errors import ImageError
from snoop_analysis.image.archive import check_digest, entries, plain
from snoop_analysis.image.directory import read_directory
from snoop_analysis.image.image import Image
from snoop_analysis.image.layers import Stack
from snoop_analysis.image.manifest import Parts, parts
from snoop_analysis.image.store import ArchiveStore, DirectoryStore, whole


def open_image(
    path: str | PathLike[str], reference: str | None = None, platform: str | None = None
) -> Image:
    """The image at ``path``.

    Args:
        path: a root directory, an OCI layout (directory or tar), what ``docker save`` wrote, or a
            tar archive of a root directory (``docker export``); tar archives may be compressed.
        reference: the name of the image, where there are several.
        platform: ``linux/arm64`` for one, where there are several.

    Raises:
        ImageError: there is no image, or one that is damaged or hostile.
    """
    place = Path(path)
    source = str(path)
    if not source or not place.exists():
        raise ImageError(
            f"there is no image at {source or repr(source)}: give a root directory, an OCI layout "
            "or a tar archive (docker save NAME -o FILE)"
        )
    if place.is_dir():
        found = None
        if (place / "oci-layout").is_file() or (place / "manifest.json").is_file():
            found = parts(DirectoryStore(place), source, reference, platform)
        if found is None:
            return Image(source, read_directory(place), [source])
        return _layered(found, source)
    archive = plain(whole(place), source)
    found = parts(ArchiveStore(archive, source), source, reference, platform)
    if found is not None:
        return _layered(found, source)
    stack = Stack()
    stack.lay(entries(archive, source), source, 0)
    return Image(source, stack.root, [source])


def _layered(found: Parts, source: str) -> Image:
    stack = Stack()
    for number, layer in enumerate(found.layers):
        name = f"layer {layer.name} of {source}"
        blob = plain(layer.blob, name)
        if layer.digest is not None:
            check_digest(blob, layer.digest, name)
        stack.lay(entries(blob, name, number, layer.digest is not None), name, number)
    names = [one.name for one in found.layers]
    return Image(source, stack.root, names, found.config, found.digests)
