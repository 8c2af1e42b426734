# SPDX-License-Identifier: Apache-2.0
"""Small images, written as the tools write them."""

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import zstandard

Item = tarfile.TarInfo | tuple[tarfile.TarInfo, bytes]
COMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    "+gzip": gzip.compress,
    "+zstd": zstandard.compress,
}


def entry(name: str, content: bytes | None = None, **fields: Any) -> Item:
    """An entry of a tar archive: a file where it has content, a directory unless ``type`` says."""
    info = tarfile.TarInfo(name)
    info.type = tarfile.REGTYPE if content is not None else tarfile.DIRTYPE
    info.mode = 0o644 if content is not None else 0o755
    info.size = len(content or b"")
    for key, value in fields.items():
        setattr(info, key, value)
    return (info, content) if content is not None else info


def link(name: str, target: str) -> Item:
    return entry(name, type=tarfile.SYMTYPE, linkname=target)


def hard_link(name: str, target: str) -> Item:
    return entry(name, type=tarfile.LNKTYPE, linkname=target)


def layer(items: Sequence[Item]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for item in items:
            info, content = item if isinstance(item, tuple) else (item, None)
            archive.addfile(info, io.BytesIO(content) if content is not None else None)
    return buffer.getvalue()


def digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def config(
    layers: Sequence[bytes],
    architecture: str = "amd64",
    platform: dict[str, str] | None = None,
    **container: Any,
) -> bytes:
    return json.dumps(
        {
            "os": "linux",
            "architecture": architecture,
            **(platform or {}),
            "config": container,
            "rootfs": {"type": "layers", "diff_ids": [digest(one) for one in layers]},
        }
    ).encode()


def oci_layout(
    layers: Sequence[bytes], compression: str = "", **container: Any
) -> dict[str, bytes]:
    """The files of an OCI layout."""
    blobs = [COMPRESS[compression](one) for one in layers]
    said = config(layers, **container)
    manifest = json.dumps(
        {
            "schemaVersion": 2,
            "config": {"digest": digest(said), "size": len(said)},
            "layers": [
                {
                    "mediaType": f"application/vnd.oci.image.layer.v1.tar{compression}",
                    "digest": digest(one),
                    "size": len(one),
                }
                for one in blobs
            ],
        }
    ).encode()
    index = {
        "schemaVersion": 2,
        "manifests": [
            {
                "digest": digest(manifest),
                "size": len(manifest),
                "annotations": {"org.opencontainers.image.ref.name": "app:1"},
            }
        ],
    }
    files = {f"blobs/sha256/{digest(one)[7:]}": one for one in (*blobs, said, manifest)}
    return {
        "oci-layout": b'{"imageLayoutVersion": "1.0.0"}',
        "index.json": json.dumps(index).encode(),
        **files,
    }


def docker_save(layers: Sequence[bytes], tag: str = "app:1", **container: Any) -> dict[str, bytes]:
    """The members of what ``docker save`` writes."""
    said = config(layers, **container)
    names = [f"{number}/layer.tar" for number in range(len(layers))]
    name = f"{digest(said)[7:]}.json"
    manifest = [{"Config": name, "RepoTags": [tag], "Layers": names}]
    return {
        name: said,
        **dict(zip(names, layers, strict=True)),
        "manifest.json": json.dumps(manifest).encode(),
    }


def as_directory(files: dict[str, bytes], path: Path) -> Path:
    for name, content in files.items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    return path


def as_archive(files: dict[str, bytes], path: Path) -> Path:
    path.write_bytes(layer([entry(name, content) for name, content in files.items()]))
    return path
