# SPDX-License-Identifier: Apache-2.0
"""ELF files: what one says of others. Source: the gABI, and ld.so(8) for the tags of GNU."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain, islice
from typing import Final

from elftools.elf.dynamic import DynamicSegment
from elftools.elf.elffile import ELFFile

from snoop_analysis.closure.reasons import Unknown
from snoop_analysis.image import Image

_MAGIC: Final = b"\x7fELF"
_LONGEST_PATH: Final = 4096
_MOST_TAGS: Final = 100_000  # more than any file has, but one that is out to take time


@dataclass(frozen=True, slots=True)
class Elf:
    """What an ELF file says of other files.

    Attributes:
        kind: class and machine: a library of another kind is passed over.
        interpreter: the program that loads it; null if there is none.
        needed: names of libraries.
        rpath, runpath: directories to look in, ``$ORIGIN`` and ``$LIB`` still in them; with a
            ``DT_RUNPATH`` the other does not count.
    """

    kind: tuple[int, str]
    interpreter: str | None = None
    needed: tuple[str, ...] = ()
    rpath: tuple[str, ...] = ()
    runpath: tuple[str, ...] = ()


def read_elf(image: Image, path: str) -> Elf | Unknown | None:
    """What a file says as ELF; null if it is none."""
    content = image.files[path].content
    if content is None:
        return None
    try:
        with content.open() as file:
            if file.read(len(_MAGIC)) != _MAGIC:
                return None
            file.seek(0)
            return _parsed(ELFFile(file))
    except Exception as error:  # a damaged file: pyelftools lets out whatever goes wrong
        return Unknown(f"{path} cannot be read as ELF ({error}): what it needs is not known")


def _parsed(elf: ELFFile) -> Elf:
    interpreter = None
    tags: dict[str, list[str]] = {}
    for segment in elf.iter_segments():
        kind = segment["p_type"]
        if kind == "PT_INTERP" and interpreter is None and segment["p_filesz"] <= _LONGEST_PATH:
            interpreter = segment.data().partition(b"\0")[0].decode(errors="surrogateescape")
        elif isinstance(segment, DynamicSegment) and not tags:
            tags = _tags(segment)
    rpath, runpath = (
        tuple(one for value in tags.get(name, ()) for one in value.split(":"))
        for name in ("rpath", "runpath")
    )
    return Elf(
        (elf.elfclass, str(elf["e_machine"])),
        interpreter,
        tuple(chain.from_iterable(tags.get(one, ()) for one in ("needed", "filter", "auxiliary"))),
        () if runpath else rpath,
        runpath,
    )


def _tags(segment: DynamicSegment) -> dict[str, list[str]]:
    """The values of the tags that name other files, by their names without ``DT_``."""
    tags: dict[str, list[str]] = {}
    for tag in islice(segment.iter_tags(), _MOST_TAGS):
        for name in ("needed", "filter", "auxiliary", "runpath", "rpath"):
            value = getattr(tag, name, None)
            if tag.entry.d_tag == f"DT_{name.upper()}" and isinstance(value, str):
                tags.setdefault(name, []).append(value)
    return tags
