# SPDX-License-Identifier: Apache-2.0
"""Images, written: the same files give the same bytes."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Iterable, Mapping
from typing import IO, Any, Final

from snoop_analysis.errors import ImageError
from snoop_analysis.image.image import Image
from snoop_analysis.image.layers import WHITEOUT
from snoop_analysis.image.tree import Inode, Kind
from snoop_analysis.replacing import AnyPath, replaced

_TYPES: Final = {
    Kind.FILE: tarfile.REGTYPE,
    Kind.DIRECTORY: tarfile.DIRTYPE,
    Kind.SYMLINK: tarfile.SYMTYPE,
    Kind.CHARACTER: tarfile.CHRTYPE,
    Kind.BLOCK: tarfile.BLKTYPE,
    Kind.FIFO: tarfile.FIFOTYPE,
}

# Numbers of elf.h, "Legal values for e_machine"; names of GOARCH.
_ARCHITECTURES: Final = {
    3: "386",
    21: "ppc64le",
    22: "s390x",
    40: "arm",
    62: "amd64",
    183: "arm64",
    243: "riscv64",
    258: "loong64",
}


def write_root(kept: Mapping[str, Inode], path: AnyPath) -> None:
    """Write some files of an image as a tar archive of a root directory.

    Owners, modes, times, hard links, devices and extended attributes stay what they are; sockets
    are made by programs, and left out.

    Args:
        kept: what to write of it, a directory before what is in it.
        path: the archive; it is there whole or not at all.

    Raises:
        ImageError: a file of the image cannot be read.
        OSError: the archive cannot be written.
    """
    with replaced(path) as target, target.open("wb") as file:
        _write_tar(kept, file)


def write_image(image: Image, kept: Mapping[str, Inode], path: AnyPath) -> None:
    """As ``write_root``, but a whole image: an OCI layout of one layer in a tar archive.

    ``docker load`` takes it too, also before it knew OCI layouts.

    Raises:
        ImageError: as there, or a name is one that no layer can have.
        OSError: as there.
    """
    _check_names(kept)
    with (
        replaced(path, image.name) as target,
        target.open("w+b") as file,
        # GNU's header is one block whatever the size, for which a place is left before the layer.
        tarfile.open(fileobj=file, mode="w", format=tarfile.GNU_FORMAT) as archive,
    ):
        start = file.tell() + tarfile.BLOCKSIZE
        layer = _place_layer(kept, file)
        _add_header(archive, file, layer, start)
        blobs = _documents(image, kept, layer)
        for name, content in blobs.items():
            archive.addfile(_member(name, len(content)), io.BytesIO(content))


def _check_names(kept: Iterable[str]) -> None:
    """Refuse what would take away another file, or be ignored, where the layer is laid."""
    for path in kept:
        if any(part.startswith(WHITEOUT) for part in path.split("/")):
            raise ImageError(
                f"{path} cannot be in an image: in a layer, names with {WHITEOUT} say what is "
                "removed; write a root file system (--write), or drop it by a policy"
            )


def _place_layer(kept: Mapping[str, Inode], file: IO[bytes]) -> tuple[str, int]:
    """Write the layer behind the place of its header; its digest and size."""
    start = file.tell() + tarfile.BLOCKSIZE
    file.seek(start)
    _write_tar(kept, file)
    size = file.tell() - start
    file.seek(start)
    digest = hashlib.sha256()
    while chunk := file.read(1 << 20):
        digest.update(chunk)
    return digest.hexdigest(), size


def _add_header(
    archive: tarfile.TarFile, file: IO[bytes], layer: tuple[str, int], start: int
) -> None:
    """Put the header before the layer, whose name is its digest."""
    digest, size = layer
    file.seek(start - tarfile.BLOCKSIZE)
    archive.addfile(_member(f"blobs/sha256/{digest}", size))
    end = start + size
    padding = -size % tarfile.BLOCKSIZE
    file.seek(end)
    file.write(bytes(padding))
    archive.offset = end + padding


def _member(name: str, size: int) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size = size
    return info


def _documents(image: Image, kept: Mapping[str, Inode], layer: tuple[str, int]) -> dict[str, bytes]:
    """Configuration, manifest and index (OCI image specification), and Docker's manifest."""
    digest, size = layer
    said = {key: value for key, value in image.config.said.items() if key != "history"}
    config = _json(
        {
            "architecture": said.get("architecture") or _architecture(kept),
            "os": "linux",
            **said,
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{digest}"]},
        }
    )
    oci = "application/vnd.oci.image"
    manifest = _json(
        {
            "schemaVersion": 2,
            "mediaType": f"{oci}.manifest.v1+json",
            "config": _descriptor(f"{oci}.config.v1+json", config),
            "layers": [
                {"mediaType": f"{oci}.layer.v1.tar", "digest": f"sha256:{digest}", "size": size}
            ],
        }
    )
    index = _json(
        {"schemaVersion": 2, "manifests": [_descriptor(f"{oci}.manifest.v1+json", manifest)]}
    )
    return {
        _blob(config): config,
        _blob(manifest): manifest,
        "index.json": index,
        "manifest.json": _json(
            [{"Config": _blob(config), "RepoTags": None, "Layers": [f"blobs/sha256/{digest}"]}]
        ),
        "oci-layout": _json({"imageLayoutVersion": "1.0.0"}),
    }


def _architecture(kept: Mapping[str, Inode]) -> str:
    """The machine that the programs are for, as Go calls it: of a root directory nobody said it."""
    for inode in kept.values():
        if inode.content is not None and inode.mode & 0o111:
            with inode.content.open() as file:
                head = file.read(20)
            if head.startswith(b"\x7fELF") and len(head) == 20:
                machine = int.from_bytes(head[18:], "little" if head[5] == 1 else "big")
                return _ARCHITECTURES.get(machine, "unknown")
    return "unknown"


def _json(said: object) -> bytes:
    return json.dumps(said, sort_keys=True, separators=(",", ":")).encode()


def _descriptor(kind: str, content: bytes) -> dict[str, Any]:
    digest = hashlib.sha256(content).hexdigest()
    return {"mediaType": kind, "digest": f"sha256:{digest}", "size": len(content)}


def _blob(content: bytes) -> str:
    return f"blobs/sha256/{hashlib.sha256(content).hexdigest()}"


def _write_tar(kept: Mapping[str, Inode], file: IO[bytes]) -> None:
    written: dict[Inode, str] = {}
    with tarfile.open(
        fileobj=file,
        mode="w",
        format=tarfile.PAX_FORMAT,
        encoding="utf-8",
        errors="surrogateescape",
    ) as archive:
        for path, inode in kept.items():
            if inode.kind is Kind.SOCKET:
                continue
            info = _header(path, inode)
            if inode in written:
                info.type, info.linkname, info.size = tarfile.LNKTYPE, written[inode], 0
                archive.addfile(info)
            elif inode.content is not None:
                with inode.content.open() as content:
                    archive.addfile(info, content)
            else:
                archive.addfile(info)
            if inode.kind is not Kind.DIRECTORY:
                written[inode] = info.name


def _header(path: str, inode: Inode) -> tarfile.TarInfo:
    info = tarfile.TarInfo(path.lstrip("/") or "./")
    info.type = _TYPES[inode.kind]
    info.mode = inode.mode
    info.uid, info.gid = inode.uid, inode.gid
    info.mtime = inode.mtime
    info.size = inode.size
    info.linkname = inode.target
    info.devmajor, info.devminor = inode.device
    info.pax_headers = {
        f"SCHILY.xattr.{name}": value.decode(errors="surrogateescape")
        for name, value in sorted(inode.xattrs.items())
    }
    return info
