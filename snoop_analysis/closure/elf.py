# SPDX-License-Identifier: Apache-2.0
"""ELF: the interpreter that the kernel opens, and the libraries that it loads.

Sources: ld.so(8) for the order of directories, musl's ldso/dynlink.c, and the gABI for the tags.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain, islice
from typing import Final

from elftools.elf.dynamic import DynamicSegment
from elftools.elf.elffile import ELFFile

from snoop_analysis.closure.reasons import Need, Subject, Unknown
from snoop_analysis.image import Image, Kind

_MAGIC: Final = b"\x7fELF"
_LARGEST_CONF: Final = 1 << 20
_LONGEST_PATH: Final = 4096
_MOST_TAGS: Final = 100_000  # more than any file has, but one that is out to take time
# Where ld.so and musl look last; Debian's has the two of its architecture too.
_DEFAULT: Final = ("/lib", "/usr/lib", "/lib64", "/usr/lib64", "/usr/local/lib")


@dataclass(frozen=True, slots=True)
class Elf:
    """What an ELF file says of other files.

    Attributes:
        kind: class and machine: a library of another kind is passed over.
        interpreter: the program that loads it; null if there is none.
        needed: names of libraries.
        search: directories to look in first, ``$ORIGIN`` and ``$LIB`` still in them.
    """

    kind: tuple[int, str]
    interpreter: str | None = None
    needed: tuple[str, ...] = ()
    search: tuple[str, ...] = ()


@dataclass
class Libraries:
    """Finds the libraries of an image, as its loaders would."""

    image: Image
    _read: dict[str, Elf | Unknown | None] = field(default_factory=dict)

    def interpreter(self, subject: Subject) -> Iterator[Need | Unknown]:
        """The ELF interpreter (``ld-linux…``) of a program: the kernel opens it by itself."""
        elf = self._elf(subject.path)
        if isinstance(elf, Unknown):
            yield elf
        elif elf is not None and elf.interpreter:
            yield Need(elf.interpreter, "ELF interpreter of", inferred=True)

    def needed(self, subject: Subject) -> Iterator[Need | Unknown]:
        """The libraries that an ELF file names, and variants for other processors."""
        elf = self._elf(subject.path)
        if not isinstance(elf, Elf):
            return
        for name in elf.needed:
            found = list(self._find(name, subject.path, elf))
            yield from (Need(path, f"{name}, DT_NEEDED of") for path in found)
            if not found:
                yield Unknown(f"{subject.path} needs {name}, which is not in the image", False)

    def _find(self, name: str, user: str, elf: Elf) -> Iterator[str]:
        if "/" in name:
            yield from [name] if self._fits(name, elf) else []
            return
        searched = [_expanded(one, user) for one in elf.search]
        searched += self.image.config.variable("LD_LIBRARY_PATH").split(":")
        first = next(
            (
                directory
                for directory in (*searched, *self._directories)
                if directory.startswith("/") and self._fits(f"{directory}/{name}", elf)
            ),
            None,
        )
        if first is not None:
            yield f"{first}/{name}"
            for variants in self._hwcaps(first):
                if self._fits(f"{variants}/{name}", elf):
                    yield f"{variants}/{name}"
            return
        # Another program's search path may lead there, or one that is set at run time.
        yield from (one for one in self._by_name.get(name, ()) if self._fits(one, elf))

    def _fits(self, path: str, elf: Elf) -> bool:
        end = self.image.find(path).end
        other = self._elf(end) if end else None
        return isinstance(other, Elf) and other.kind == elf.kind

    def _hwcaps(self, directory: str) -> list[str]:
        return self.image.below(f"{directory}/glibc-hwcaps")

    @cached_property
    def _directories(self) -> list[str]:
        """Where loaders look in this image, in order."""
        configured = [*self._configured("/etc/ld.so.conf", 0), *self._musl()]
        multiarch = [
            one
            for parent in ("/lib", "/usr/lib")
            for one in self.image.below(parent)
            if "-linux-" in one
        ]
        return list(dict.fromkeys([*configured, *multiarch, *_DEFAULT]))

    def _configured(self, path: str, depth: int) -> Iterator[str]:
        """The directories that ld.so.conf names, those of the files it includes too."""
        text = self.image.read(path, _LARGEST_CONF) or b""
        for line in text.decode(errors="surrogateescape").splitlines():
            words = line.partition("#")[0].split()
            if words[:1] == ["include"] and depth < 8:
                included = chain.from_iterable(map(self._matching, words[1:]))
                yield from chain.from_iterable(self._configured(one, depth + 1) for one in included)
            elif len(words) == 1 and words[0].startswith("/"):
                yield words[0].rstrip("/")

    def _matching(self, pattern: str) -> list[str]:
        """What an include of ld.so.conf stands for: ``*.conf`` in a directory, or one file."""
        if not pattern.startswith("/"):
            pattern = f"/etc/{pattern}"
        directory, _, name = pattern.rpartition("/")
        if "*" not in name:
            return [pattern]
        start, _, end = name.partition("*")
        return [
            one
            for one in sorted(self.image.below(directory))
            if posixpath.basename(one).startswith(start) and one.endswith(end)
        ]

    def _musl(self) -> Iterator[str]:
        """The directories in /etc/ld-musl-ARCH.path."""
        for path in self.image.below("/etc"):
            name = posixpath.basename(path)
            if name.startswith("ld-musl-") and name.endswith(".path"):
                text = (self.image.read(path, _LARGEST_CONF) or b"").decode(
                    errors="surrogateescape"
                )
                yield from text.replace("\n", ":").split(":")

    @cached_property
    def _by_name(self) -> dict[str, list[str]]:
        """The files and links that may be libraries, by their last name."""
        names: dict[str, list[str]] = {}
        for path, inode in self.image.files.items():
            if ".so" in path and inode.kind in (Kind.FILE, Kind.SYMLINK):
                names.setdefault(posixpath.basename(path), []).append(path)
        return names

    def _elf(self, path: str) -> Elf | Unknown | None:
        if path not in self._read:
            self._read[path] = _elf(self.image, path)
        return self._read[path]


def _elf(image: Image, path: str) -> Elf | Unknown | None:
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
    search = tags.get("runpath") or tags.get("rpath") or []
    return Elf(
        (elf.elfclass, elf["e_machine"]),
        interpreter,
        tuple(chain.from_iterable(tags.get(one, ()) for one in ("needed", "filter", "auxiliary"))),
        tuple(directory for value in search for directory in value.split(":")),
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


def _expanded(directory: str, user: str) -> str:
    """``directory`` with the tokens of ld.so(8) replaced as for a library used by ``user``."""
    tokens = {"ORIGIN": posixpath.dirname(user), "LIB": "lib", "PLATFORM": "x86_64"}
    for name, value in tokens.items():
        directory = directory.replace(f"${{{name}}}", value).replace(f"${name}", value)
    return posixpath.normpath(directory) if directory else directory
