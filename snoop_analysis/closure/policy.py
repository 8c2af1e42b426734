# SPDX-License-Identifier: Apache-2.0
"""Policies: what people know of a program and no recording can show, as small YAML files.

A policy has ``keep`` and ``drop``, lists of patterns, and ``sets``: where a file of ``when`` was
used, what ``keep`` says is needed too. In a pattern ``*`` and ``?`` match no slash, ``**`` any
directories, ``{a,b}`` one or the other; in the ``keep`` of a set ``{directory}`` is the directory
of the file that was used. The files of an image are known by their paths without links; the
beginning of a pattern, up to the first wildcard, may lead through links.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import bracex
import yaml
from wcmatch import glob

from snoop_analysis.closure.reasons import Need, Subject
from snoop_analysis.errors import OptionError
from snoop_analysis.image import Image

PRESETS: Final = ("python", "node", "java", "nginx")
_EVERYWHERE: Final = "system"  # is applied to every image
_FLAGS: Final = glob.GLOBSTAR | glob.DOTGLOB | glob.BRACE | glob.FORCEUNIX
_MOST_EXPANDED: Final = 1000
_HERE: Final = "{directory}"
_WILDCARD: Final = re.compile(r"[*?\[{\\]")


@dataclass(frozen=True, slots=True)
class FileSet:
    """Files that are used together: where one of ``when`` is used, ``keep`` is needed."""

    name: str
    when: tuple[str, ...]
    keep: tuple[str, ...]


@dataclass(frozen=True)
class Policy:
    """What to keep, what to drop, and what belongs together.

    Attributes:
        keep, drop: patterns.
        sets: files that are used together.
        names: what to keep, too: paths as they are, no patterns.
        presumed: those of the patterns that were not written for this image.
    """

    keep: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()
    sets: tuple[FileSet, ...] = ()
    names: tuple[str, ...] = ()
    presumed: frozenset[str] = frozenset()

    def __add__(self, other: Policy) -> Policy:
        """Both; what one keeps the other does not drop."""
        return Policy(
            self.keep + other.keep,
            self.drop + other.drop,
            self.sets + other.sets,
            self.names + other.names,
            self.presumed | other.presumed,
        )


def load(path: Path) -> Policy:
    """The policy in a file.

    Raises:
        OptionError: it is no policy.
        OSError: it cannot be read.
    """
    return parse(path.read_text(encoding="utf-8", errors="replace"), str(path))


def preset(name: str) -> Policy:
    """A policy that comes with the package.

    Raises:
        OptionError: there is none of that name.
    """
    if name not in (*PRESETS, _EVERYWHERE):
        raise OptionError(f"there is no preset {name!r}; there are {', '.join(PRESETS)}")
    text = files("snoop_analysis").joinpath("policies", f"{name}.yaml").read_text(encoding="utf-8")
    policy = parse(text, name)
    return replace(policy, presumed=frozenset(policy.keep + policy.drop))


def parse(text: str, source: str) -> Policy:
    """The policy that YAML says.

    Raises:
        OptionError: it is no policy.
    """
    try:
        said = yaml.safe_load(text)
    except (yaml.YAMLError, RecursionError) as error:
        place = " ".join(str(error).split())
        raise OptionError(f"{source} is not YAML: {place}") from error
    said = {} if said is None else said
    _check_keys(said, {"keep", "drop", "sets"}, source)
    sets = said.get("sets") or {}
    if not isinstance(sets, dict):
        raise OptionError(f"{source}: sets has to be a table of names, each with when and keep")
    for name, one in sets.items():
        _check_keys(one, {"when", "keep"}, f"{source}: sets: {name}")
    return Policy(
        _patterns(said, "keep", source),
        _patterns(said, "drop", source),
        tuple(
            FileSet(str(name), _patterns(one, "when", source), _patterns(one, "keep", source))
            for name, one in sets.items()
        ),
    )


def _check_keys(said: Any, known: set[str], source: str) -> None:
    if not isinstance(said, dict):
        raise OptionError(f"{source} has to be a table with {', '.join(sorted(known))}")
    unknown = sorted(str(one) for one in set(said) - known)
    if unknown:
        raise OptionError(
            f"{source} says {unknown[0]!r}, which a policy does not know; "
            f"it knows {', '.join(sorted(known))}"
        )


def _patterns(said: dict[str, Any], key: str, source: str) -> tuple[str, ...]:
    found = said.get(key) or []
    if not isinstance(found, list) or not all(isinstance(one, str) for one in found):
        raise OptionError(f"{source}: {key} has to be a list of patterns, like [/etc/ssl/**]")
    for one in found:
        if not one.startswith(("/", _HERE)):
            raise OptionError(f"{source}: the pattern {one!r} has to start with /")
        _check_braces(one, source)
    return tuple(found)


def _check_braces(pattern: str, source: str) -> None:
    """Refuse a pattern that stands for too many."""
    try:
        bracex.expand(pattern, keep_escapes=True, limit=_MOST_EXPANDED)
    except (bracex.ExpansionLimitException, RecursionError) as error:
        raise OptionError(
            f"{source}: the braces of the pattern {pattern!r} stand for more than "
            f"{_MOST_EXPANDED:,} patterns: use *"
        ) from error


@cache
def matcher(patterns: tuple[str, ...]) -> re.Pattern[str]:
    """What matches each path that one of ``patterns`` means; ``/a/**`` also means ``/a``."""
    if not patterns:
        return re.compile(r"(?!)")
    wanted, _ = glob.translate([one.rstrip("/") or "/" for one in patterns], flags=_FLAGS, limit=0)
    return re.compile("|".join(f"(?:{one})" for one in wanted))


def alternatives(patterns: Iterable[str]) -> Iterator[str]:
    """A pattern for each of what patterns have in braces."""
    for one in patterns:
        yield from bracex.iexpand(one, keep_escapes=True, limit=0)


def directory_of(pattern: str) -> str:
    """The directory that all is in that a pattern without braces means; empty for the root."""
    return _WILDCARD.split(pattern, maxsplit=1)[0].rpartition("/")[0]


def followed(image: Image, patterns: Iterable[str]) -> tuple[str, ...]:
    """Patterns, and as what links in the image make of their directories."""
    found = []
    for one in alternatives(patterns):
        found.append(one)
        directory = directory_of(one)
        end = image.find(directory).end
        if end is not None and end != (directory or "/"):
            found.append(glob.escape(end.rstrip("/"), unix=True) + one.removeprefix(directory))
    return tuple(found)


def meaningless(image: Image, policy: Policy) -> Iterator[str]:
    """The patterns of what to keep and drop that mean no file of the image."""
    for one in dict.fromkeys(policy.keep + policy.drop):
        wanted = matcher(followed(image, (one,)))
        if one not in policy.presumed and not any(map(wanted.match, image.files)):
            yield one


@dataclass
class Sets:
    """Looks up the sets of a policy in an image."""

    image: Image
    sets: Sequence[FileSet]
    _done: set[tuple[str, str]] = field(default_factory=set)

    @cached_property
    def _any(self) -> re.Pattern[str]:
        return matcher(tuple(pattern for when in self._when for pattern in when))

    @cached_property
    def _when(self) -> list[tuple[str, ...]]:
        return [followed(self.image, one.when) for one in self.sets]

    def needs(self, subject: Subject) -> Iterator[Need]:
        """What belongs to a used file; each set once, or once for a directory that it is about."""
        if not self._any.match(subject.path):
            return
        here = posixpath.dirname(subject.path)
        for one, when in zip(self.sets, self._when, strict=True):
            key = one.name, here if any(_HERE in pattern for pattern in one.keep) else ""
            if matcher(when).match(subject.path) and key not in self._done:
                self._done.add(key)
                for path in self._members(one, here):
                    yield Need(path, f"{one.name}: belongs to")

    def _members(self, one: FileSet, here: str) -> Iterator[str]:
        """The files of a set; ``here`` is the directory of the file that was used."""
        local = [pattern.replace(_HERE, glob.escape(here, unix=True)) for pattern in one.keep]
        for pattern in followed(self.image, map(posixpath.normpath, local)):
            wanted = matcher((pattern,))
            for path in self.image.tree(directory_of(pattern)):
                if wanted.match(path):
                    yield path
