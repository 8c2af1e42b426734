# SPDX-License-Identifier: Apache-2.0
"""Whose recording it is: pod, namespace, node, labels and images, as somebody says them.

In Kubernetes the Downward API does: as environment variables, and labels as a file.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from snoop_capture.errors import CaptureError

_DIGEST: Final = re.compile(r"@(sha256:[0-9a-f]{64})$")


def image_entry(reference: str, pulled: str = "") -> dict[str, str]:
    """``image``, and ``image_digest`` where it is known.

    Args:
        reference: as the container names its image.
        pulled: as the runtime names what it pulled; ends with the digest where the image came
            from a registry.
    """
    digest = _DIGEST.search(pulled) or _DIGEST.search(reference)
    return {"image": reference} | ({"image_digest": digest[1]} if digest else {})


@dataclass(frozen=True, slots=True)
class Identity:
    """What ``session.json`` says of where it was recorded."""

    pod_name: str | None = None
    namespace: str | None = None
    node: str | None = None
    pod_uid: str | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    images: Mapping[str, str] = field(default_factory=dict)
    """Image references by container name; by "" that of every other container."""

    def metadata(self) -> dict[str, Any]:
        """The entries for ``session.json``; what is not known is left out."""
        names = ("pod_name", "namespace", "node", "pod_uid", "labels")
        said = {name: getattr(self, name) for name in names}
        return {name: value for name, value in said.items() if value}

    def image_of(self, container: str) -> dict[str, str]:
        """What is known of the image of a container, by the container's name."""
        reference = self.images.get(container) or self.images.get("")
        return image_entry(reference) if reference else {}


def labels_from(path: Path) -> dict[str, str]:
    """Labels as the Downward API writes them into a file: ``app="web"``, one a line.

    Raises:
        CaptureError: it cannot be read, or holds something else.
    """
    try:
        lines = path.read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise CaptureError(f"cannot read the labels in {path}: {error}") from error
    labels = {}
    for line in lines:
        name, _, value = line.partition("=")
        try:
            labels[name] = json.loads(value)
        except ValueError:
            raise CaptureError(
                f'{path} does not hold labels as the Downward API writes them (app="web"): {line!r}'
            ) from None
    return labels


def pairs(labels: Iterable[str]) -> dict[str, str]:
    """``["a=1", "b=2"]`` → ``{"a": "1", "b": "2"}``."""
    split = [text.partition("=") for text in labels]
    return {name: value for name, _, value in split}


def images_from(options: Iterable[str]) -> dict[str, str]:
    """``--image``: ``web=nginx:1.27`` for one container, ``nginx:1.27`` for all others."""
    split = [text.rpartition("=") for text in options]
    return {name: reference for name, _, reference in split}
