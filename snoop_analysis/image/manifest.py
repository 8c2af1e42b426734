# SPDX-License-Identifier: Apache-2.0
"""Which layers make an image: OCI layouts and the archives of ``docker save``.

Source: the OCI image specification (image-layout.md, image-index.md, manifest.md, config.md).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from snoop_analysis.errors import ImageError
from snoop_analysis.image.archive import check_digest
from snoop_analysis.image.extent import Extent
from snoop_analysis.image.image import Config
from snoop_analysis.image.store import Store

_LARGEST_JSON: Final = 16 << 20  # bytes; registries take 4 MiB
_DIGEST: Final = re.compile(r"(sha256|sha512):([0-9a-f]{64,128})")
_NAME: Final = "org.opencontainers.image.ref.name"
_FULL_NAME: Final = "io.containerd.image.name"
_DEEPEST: Final = 4  # indexes in indexes


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer as it lies there, compressed or not.

    ``digest`` is that of the uncompressed archive, null if the image does not say it.
    """

    name: str
    blob: Extent
    digest: str | None


@dataclass(frozen=True, slots=True)
class Parts:
    """What an image consists of; ``digests`` are those it may be known by."""

    layers: tuple[Layer, ...]
    config: Config
    digests: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Candidate:
    """An image in a store: what it may be called, its platform, and how to read it."""

    names: tuple[str, ...]
    platform: str
    digests: tuple[str, ...]
    manifest: dict[str, Any]
    config: str


def parts(store: Store, source: str, reference: str | None, platform: str | None) -> Parts | None:
    """The parts of the image in a store; null if the store holds none.

    Args:
        store: the archive or directory.
        source: what to call it in errors.
        reference: the name of the image, where there are several.
        platform: ``linux/arm64`` for one, where there are several; without a variant, any.

    Raises:
        ImageError: it is damaged, or holds several images and not just one fits.
    """
    index = _json(store, "index.json", source)
    saved = _json(store, "manifest.json", source)
    found: list[_Candidate] = []
    if _is_index(index):
        found = list(_of_index(store, index, source, (), (), 0))
    if not found and _is_saved(saved):
        found = [_of_docker(store, one, source) for one in saved]
    if not found:
        if not _is_index(index):
            return None
        raise ImageError(f"{source} holds no image: its index lists none that is there")
    return _read(store, _chosen(found, source, reference, platform), source)


def _is_index(said: Any) -> bool:
    return isinstance(said, dict) and isinstance(said.get("manifests"), list)


def _is_saved(said: Any) -> bool:
    """Whether this is what ``docker save`` writes: any root directory may have a manifest.json."""
    return (
        isinstance(said, list)
        and bool(said)
        and all(isinstance(one, dict) and isinstance(one.get("Layers"), list) for one in said)
    )


def _chosen(
    found: list[_Candidate], source: str, reference: str | None, platform: str | None
) -> _Candidate:
    fitting = [
        one
        for one in found
        if (reference is None or reference in (*one.names, *one.digests))
        and (platform is None or f"{one.platform}/".startswith(f"{platform}/"))
    ]
    if len({one.digests[0] for one in fitting}) == 1:
        return fitting[0]
    there = ", ".join(f"{' '.join(one.names) or one.digests[0]} ({one.platform})" for one in found)
    how = "none of them is the one asked for" if not fitting else "say which one"
    raise ImageError(f"{source} holds {there}: {how}, with --reference NAME or --platform NAME")


def _of_index(
    store: Store,
    index: dict[str, Any],
    source: str,
    names: tuple[str, ...],
    digests: tuple[str, ...],
    depth: int,
) -> Iterator[_Candidate]:
    """The images that an index lists and that are there; attestations are none."""
    for descriptor in _list(index, "manifests") if depth < _DEEPEST else []:
        digest = _digest(descriptor, source)
        notes = _table(descriptor, "annotations")
        called = names + tuple(str(notes[one]) for one in (_NAME, _FULL_NAME) if one in notes)
        if "vnd.docker.reference.type" in notes or _blob(store, digest) is None:
            continue
        said = _checked_json(store, digest, source)
        if "manifests" in said:
            yield from _of_index(store, said, source, called, (*digests, digest), depth + 1)
        elif "layers" in said:
            config = _digest(said.get("config"), source)
            yield _Candidate(
                called,
                _platform(_checked_json(store, config, source)),
                (digest, *digests, config),
                said,
                _blob_name(config),
            )


def _of_docker(store: Store, entry: dict[str, Any], source: str) -> _Candidate:
    """An entry of the ``manifest.json`` of ``docker save``; its config's digest is its id."""
    if not isinstance(entry.get("Config"), str):
        raise ImageError(f"{source} is damaged: manifest.json is not what docker save writes")
    name = entry["Config"]
    said = _json(store, name, source)
    if not isinstance(said, dict):
        raise ImageError(f"{source} is damaged: {name} is missing")
    tags = _list(entry, "RepoTags")
    id_of = re.search(r"[0-9a-f]{64}", name)
    digest = f"sha256:{id_of[0]}" if id_of else name
    return _Candidate(tuple(map(str, tags)), _platform(said), (digest,), entry, name)


def _platform(config: dict[str, Any]) -> str:
    variant = config.get("variant")
    return f"{config.get('os', '?')}/{config.get('architecture', '?')}" + (
        f"/{variant}" if variant else ""
    )


def _read(store: Store, image: _Candidate, source: str) -> Parts:
    config = _json(store, image.config, source)
    if not isinstance(config, dict):
        raise ImageError(f"{source} is damaged: {image.config} is no configuration")
    names = _layer_names(image.manifest, source)
    digests = _list(_table(config, "rootfs"), "diff_ids")
    if len(digests) != len(names):
        raise ImageError(
            f"{source} is damaged: {len(names)} layers, and {len(digests)} in its configuration"
        )
    layers = []
    for (name, place), digest in zip(names, digests, strict=True):
        blob = store.get(place)
        if blob is None:
            raise ImageError(f"{source} lacks the layer {name}: export the whole image")
        layers.append(Layer(name, blob, digest if isinstance(digest, str) else None))
    return Parts(tuple(layers), Config(config), image.digests)


def _layer_names(manifest: dict[str, Any], source: str) -> list[tuple[str, str]]:
    """What each layer is called, and where it lies."""
    if "Layers" in manifest:
        return [(str(one), str(one)) for one in _list(manifest, "Layers")]
    digests = [_digest(one, source) for one in _list(manifest, "layers")]
    return [(one, _blob_name(one)) for one in digests]


def _list(said: dict[str, Any], name: str) -> list[Any]:
    found = said.get(name)
    return found if isinstance(found, list) else []


def _table(said: dict[str, Any], name: str) -> dict[str, Any]:
    found = said.get(name)
    return found if isinstance(found, dict) else {}


def _digest(descriptor: Any, source: str) -> str:
    digest = descriptor.get("digest") if isinstance(descriptor, dict) else None
    if not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
        raise ImageError(f"{source} is damaged: it names a part by no usable digest")
    return digest


def _blob_name(digest: str) -> str:
    algorithm, _, number = digest.partition(":")
    return f"blobs/{algorithm}/{number}"


def _blob(store: Store, digest: str) -> Extent | None:
    return store.get(_blob_name(digest))


def _checked_json(store: Store, digest: str, source: str) -> dict[str, Any]:
    blob = _blob(store, digest)
    said = _json(store, _blob_name(digest), source)
    if blob is None or not isinstance(said, dict):
        raise ImageError(f"{source} is damaged: {digest} is missing, or not what it should be")
    check_digest(blob, digest, f"{digest} in {source}")
    return said


def _json(store: Store, name: str, source: str) -> Any:
    """A JSON file; null if it is not there."""
    blob = store.get(name)
    if blob is None:
        return None
    if blob.size > _LARGEST_JSON:
        raise ImageError(f"{source} is damaged: {name} has {blob.size:,} bytes")
    try:
        return json.loads(blob.section().read(blob.size) or b"")
    except (ValueError, RecursionError) as error:
        raise ImageError(f"{source} is damaged: {name} is not JSON: {error}") from error
