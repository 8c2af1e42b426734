# SPDX-License-Identifier: Apache-2.0
"""Where the loaders of an image look for libraries.

Source: ld.so(8) and ldconfig(8) of glibc, and musl's ldso/dynlink.c.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cached_property
from itertools import chain
from typing import Final

from snoop_analysis.closure.elf import Elf
from snoop_analysis.closure.reasons import Subject
from snoop_analysis.image import Image

_LARGEST_CONF: Final = 1 << 20
_LARGEST_CACHE: Final = 64 << 20
# Where ld.so and musl look last; Debian's has the two of its architecture too.
_DEFAULT: Final = ("/lib", "/usr/lib", "/lib64", "/usr/lib64", "/usr/local/lib")
_CACHED: Final = re.compile(rb"(?<=\0)/[^\0]+(?=\0)")
_MUSL_LOADER: Final = re.compile(r"/ld-musl-[^/]*\.so\.1$")

# Directories for processors that can do more: glibc-hwcaps since glibc 2.33, until 2.36 also these,
# one in another (_dl_important_hwcaps() of elf/dl-hwcaps.c).
_OLD_HWCAPS: Final = ("tls", "haswell", "xeon_phi", "avx512_1", "x86_64", "i686", "i586", "sse2")
_OLD: Final = "|".join(_OLD_HWCAPS)
_VARIANT: Final = re.compile(f"(.*?)/(?:glibc-hwcaps/[^/]+|(?:{_OLD})(?:/(?:{_OLD}))*)$")
_MOST_VARIANTS: Final = 1000

# AT_PLATFORM of getauxval(3), where it is not the machine's name.
_PLATFORMS: Final = {
    "EM_X86_64": ["x86_64", "haswell", "xeon_phi"],
    "EM_386": ["i686", "i586", "i486", "i386"],
}
_TOKENS: Final = {
    name: re.compile(rf"\$(?:{name}(?![A-Za-z0-9_])|\{{{name}\}})")
    for name in ("ORIGIN", "LIB", "PLATFORM")
}


def base_of(directory: str) -> str:
    """The directory of the libraries of which ``directory`` may have variants for a processor."""
    variant = _VARIANT.match(directory)
    return variant[1] if variant else directory


@dataclass
class Places:
    """The directories of an image in which loaders look."""

    image: Image
    _found: dict[str, list[str]] = field(default_factory=dict)

    @cached_property
    def directories(self) -> list[str]:
        """Where loaders look in this image, in order."""
        configured = self._configured("/etc/ld.so.conf", 0, set())
        found = [*configured, *self._musl_path(), *self._cached(), *self._multiarch, *_DEFAULT]
        return list(dict.fromkeys(found))

    @cached_property
    def _multiarch(self) -> list[str]:
        """Debian's directories, ``/usr/lib/x86_64-linux-gnu`` for one."""
        return [
            one
            for parent in ("/lib", "/usr/lib")
            for one in self.image.below(parent)
            if "-linux-" in one
        ]

    def _configured(self, path: str, depth: int, read: set[str]) -> Iterator[str]:
        """The directories that ld.so.conf names, those of the files it includes too, each once."""
        if path in read:
            return
        read.add(path)
        text = self.image.read(path, _LARGEST_CONF) or b""
        for line in text.decode(errors="surrogateescape").splitlines():
            words = line.partition("#")[0].split()
            if words[:1] == ["include"] and depth < 8:
                included = chain.from_iterable(map(self._matching, words[1:]))
                for one in included:
                    yield from self._configured(one, depth + 1, read)
            elif len(words) == 1 and words[0].startswith("/"):
                yield words[0].partition("=")[0].rstrip("/")

    def _matching(self, pattern: str) -> list[str]:
        """What an include of ld.so.conf stands for: files in a directory by a pattern, or one."""
        directory, name = posixpath.split(posixpath.join("/etc", pattern))
        return [
            one
            for one in sorted(self.image.below(directory))
            if fnmatchcase(posixpath.basename(one), name)
        ]

    def _cached(self) -> list[str]:
        """The directories of the libraries in ld.so.cache: ldconfig may have been told of more."""
        paths = _CACHED.findall(self.image.read("/etc/ld.so.cache", _LARGEST_CACHE) or b"")
        return [posixpath.dirname(one).decode(errors="surrogateescape") for one in paths]

    def _musl_path(self) -> Iterator[str]:
        """The directories in /etc/ld-musl-ARCH.path."""
        for path in self.image.below("/etc"):
            name = posixpath.basename(path)
            if name.startswith("ld-musl-") and name.endswith(".path"):
                text = (self.image.read(path, _LARGEST_CONF) or b"").decode(
                    errors="surrogateescape"
                )
                yield from text.replace("\n", ":").split(":")

    @cached_property
    def musl_loaders(self) -> list[str]:
        """The loaders of musl, each a libc as well."""
        return [one for one in self.image.below("/lib") if _MUSL_LOADER.search(one)]

    def variants(self, directory: str) -> list[str]:
        """The directories below one in which libraries for some processors are."""
        if directory not in self._found:
            found = self.image.below(f"{directory}/glibc-hwcaps")
            todo = [directory]
            while todo:
                below = self.image.below(todo.pop())
                older = [one for one in below if posixpath.basename(one) in _OLD_HWCAPS]
                found += older
                todo += [one for one in older if len(found) < _MOST_VARIANTS]
            self._found[directory] = found
        return self._found[directory]

    def expanded(
        self, directories: Iterable[str], user: Subject, elf: Elf
    ) -> list[tuple[str, ...]]:
        """``directories`` with the tokens of ld.so(8) replaced as for what ``user`` needs.

        ``$ORIGIN`` of a program is where it lies, of a library where it was found, which may be a
        link; what the others stand for was decided when the loader was built. So a directory may
        be one of several.
        """
        _, machine = elf.kind
        tokens = {
            "ORIGIN": sorted({posixpath.dirname(one) for one in (user.path, user.name) if one}),
            "LIB": ["lib", "lib64", *(f"lib/{posixpath.basename(one)}" for one in self._multiarch)],
            "PLATFORM": _PLATFORMS.get(machine) or [machine.removeprefix("EM_").lower()],
        }
        return [_replaced(one, tokens) for one in directories]


def _replaced(directory: str, tokens: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """What a directory may be: one for each thing that a token in it may stand for."""
    found = {directory: None}
    for token, values in tokens.items():
        if _TOKENS[token].search(directory):
            parts = [_TOKENS[token].split(one) for one in found]
            found = {value.join(one): None for one in parts for value in values}
    return tuple(found)
