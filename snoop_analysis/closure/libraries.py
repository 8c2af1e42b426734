# SPDX-License-Identifier: Apache-2.0
"""What a loader loads: the ELF interpreter, which the kernel opens, and libraries by their names.

Source: ld.so(8) for the order of directories, and musl's ldso/dynlink.c.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain, islice
from typing import Final

from snoop_analysis.closure.elf import Elf, read_elf
from snoop_analysis.closure.places import Places, base_of
from snoop_analysis.closure.reasons import Need, Subject, Unknown
from snoop_analysis.image import Image, Kind

# What musl's loader is itself, whatever is on the disk: load_library() in dynlink.c.
_OF_MUSL: Final = {"libc", "libpthread", "librt", "libm", "libdl", "libutil", "libxnet"}


@dataclass
class Libraries:
    """Finds the libraries of an image, as its loaders would.

    A ``DT_RPATH`` also counts for what is loaded because of the file that has it: directories of
    all of them are kept, and so are the names that were looked for, for those yet to come.
    """

    image: Image
    _read: dict[str, Elf | Unknown | None] = field(default_factory=dict)
    _inherited: dict[str, None] = field(default_factory=dict)
    _looked_for: dict[str, tuple[str, Elf]] = field(default_factory=dict)

    def interpreter(self, subject: Subject) -> Iterator[Need | Unknown]:
        """The ELF interpreter (``ld-linux…``) of a program: the kernel opens it by itself."""
        elf = self._elf(subject.path)
        if isinstance(elf, Unknown):
            yield elf
        elif elf is not None and elf.interpreter:
            yield Need(elf.interpreter, "ELF interpreter of", inferred=True)

    def needed(self, subject: Subject) -> Iterator[Need | Unknown]:
        """The libraries that an ELF file names, and variants of it for other processors."""
        elf = self._elf(subject.path)
        if not isinstance(elf, Elf):
            return
        rpath = self._places.expanded(elf.rpath, subject, elf)
        yield from self._by_rpath(rpath)
        self._inherited.update(dict.fromkeys(chain.from_iterable(rpath)))
        for name in elf.needed:
            found = list(self._find(name, subject, elf, rpath))
            yield from (Need(path, f"{name}, DT_NEEDED of") for path in found)
            if not found:
                yield Unknown(f"{subject.path} needs {name}, which is not in the image", False)
        for path in self._for_other_processors(subject.name or subject.path, elf):
            yield Need(path, "for other processors, what is for this one in")

    def _find(
        self, name: str, user: Subject, elf: Elf, rpath: Sequence[tuple[str, ...]]
    ) -> Iterator[str]:
        if "/" in name:
            yield from [name] if self._fits(name, elf) else []
            return
        self._looked_for.setdefault(name, (user.path, elf))
        configured = self.image.config.variable("LD_LIBRARY_PATH").replace(";", ":").split(":")
        searched = [
            *rpath,
            *self._places.expanded(configured, user, elf),
            *self._places.expanded(elf.runpath, user, elf),
            *((one,) for one in self._places.directories),
        ]
        found = next(filter(None, (self._all_in(one, name, elf) for one in searched)), [])
        if not elf.runpath:
            found = found + self._all_in(self._inherited, name, elf)
        if found:
            yield from dict.fromkeys(found)
        elif name.partition(".")[0] in _OF_MUSL and self._places.musl_loaders:
            yield from self._places.musl_loaders
        else:  # another program's search path may lead there, or one that is set at run time
            yield from (one for one in self._by_name.get(name, ()) if self._fits(one, elf))

    def _by_rpath(self, rpath: Iterable[tuple[str, ...]]) -> Iterator[Need]:
        """What was looked for before this ``DT_RPATH`` was known, and may be loaded by it."""
        fresh = [one for one in chain.from_iterable(rpath) if one not in self._inherited]
        for name, (user, elf) in list(self._looked_for.items()) if fresh else ():
            for path in self._all_in(fresh, name, elf):
                yield Need(path, f"{name}, DT_NEEDED of {user}, by DT_RPATH of")

    def _all_in(self, directories: Iterable[str], name: str, elf: Elf) -> list[str]:
        """The library with this name in each directory: the one for all processors, or one."""
        found = []
        for directory in directories:
            if directory.startswith("/"):
                places = (directory, *self._places.variants(directory))
                fitting = (one for one in places if self._fits(f"{one}/{name}", elf))
                found += [f"{one}/{name}" for one in islice(fitting, 1)]
        return found

    def _fits(self, path: str, elf: Elf) -> bool:
        end = self.image.find(path).end
        other = self._elf(end) if end else None
        return isinstance(other, Elf) and other.kind == elf.kind

    def _for_other_processors(self, name: str, elf: Elf) -> Iterator[str]:
        directory, own = posixpath.split(name)
        home = base_of(directory)
        for place in (home, *self._places.variants(home)):
            if place != directory and self._fits(f"{place}/{own}", elf):
                yield f"{place}/{own}"

    @cached_property
    def _places(self) -> Places:
        return Places(self.image)

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
            self._read[path] = read_elf(self.image, path)
        return self._read[path]
