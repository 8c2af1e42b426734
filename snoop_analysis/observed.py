# SPDX-License-Identifier: Apache-2.0
"""What a recording saw of the files of an image."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from snoop_analysis.image import Image, Kind, Way
from snoop_analysis.image.tree import Node, components, find
from snoop_analysis.made_ways import MadeWays
from snoop_analysis.names import text_in_image
from snoop_analysis.sqltext import statement

if TYPE_CHECKING:
    from snoop_analysis.replay import Replay

# What a container runtime mounts, whether or not a recording says so (OCI runtime specification,
# config-linux.md, "Default Filesystems").
KERNEL_MOUNTS: Final = ("/proc", "/sys", "/dev")

# What is mounted of a volume that Docker, Podman or nerdctl made: into a fresh one they copy what
# the image has there.
_VOLUME: Final = re.compile(r"/volumes/.+/_data$")

# A directory of a process, as /proc names it; what follows is a path from there. What it was is not
# known later.
_OF_PROCESS: Final = re.compile(
    r"/+(?:proc/+(?:self|thread-self|\d+)/+(?:task/+\d+/+)?(?:cwd|root|fd/+\d+)|dev/+fd/+\d+)/+(.+)",
    re.DOTALL,
)
_MOVES: Final = frozenset(("rename", "renameat", "renameat2", "symlink", "symlinkat"))

# How the kernel calls a program without a file: container runtimes start from one.
_IN_MEMORY: Final = "/memfd:"

_Mounts = dict[str, bool]  # mount points of a container, and whether each is of a runtime's volume


@dataclass(slots=True)
class Use:
    """What was seen of one file.

    Attributes:
        uses: calls that took something from it or changed it.
        looks: calls that saw that it is there: stat, access, or a call that was refused.
        executed: whether it became a program.
        first_seen, last_seen: times of these calls; null where the recording has none.
        syscalls, programs: of these calls; not more than a few programs.
        names: other names it was asked for by.
    """

    uses: int = 0
    looks: int = 0
    executed: bool = False
    first_seen: datetime | None = None
    last_seen: datetime | None = None
    syscalls: set[str] = field(default_factory=set)
    programs: set[str] = field(default_factory=set)
    names: set[str] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Outside:
    """A name that led to a file which is not the image's."""

    path: str
    place: str
    last_seen: datetime | None


@dataclass(slots=True)
class Observed:
    """What was seen of an image.

    Attributes:
        files: by the path of the file, without any link in it.
        ways: directories and links that led to what was asked for, each with what it led to.
        outside: names of files that are not the image's.
        executed_outside: programs among these.
        mounts: mount points in the image.
        running: programs that ran before recording began.
        unresolved: relative paths whose directory is not known, as the calls had them.
        moved: directories and links that a call renamed or put another one in the place of.
        rootless: containers whose root a process moved, and where to is not known.
    """

    files: dict[str, Use] = field(default_factory=dict)
    ways: dict[str, str] = field(default_factory=dict)
    outside: dict[str, Outside] = field(default_factory=dict)
    executed_outside: set[str] = field(default_factory=set)
    mounts: set[str] = field(default_factory=set)
    running: set[str] = field(default_factory=set)
    unresolved: set[str] = field(default_factory=set)
    moved: set[str] = field(default_factory=set)
    rootless: set[str] = field(default_factory=set)


class _Row(NamedTuple):
    """A row of ``sql/observed.sql``."""

    container_no: int
    path: str
    path_bytes: bytes | None
    base: str | None
    base_bytes: bytes | None
    led: str | None
    is_below: bool
    is_link: bool
    real_paths: list[str]
    uses: int
    looks: int
    executed: bool
    is_root: bool
    is_there: bool
    first_seen: datetime | None
    last_seen: datetime | None
    syscalls: list[str]
    programs: list[str] | None


class _Moved(NamedTuple):
    """A container whose own processes moved its root, and directories that may be it now."""

    container_no: int
    name: str
    roots: dict[str, Node]


def _row(found: tuple[Any, ...]) -> _Row:
    row = _Row._make(found)
    real_paths = [text_in_image(one) for one in row.real_paths or ()]
    return row._replace(led=row.led and text_in_image(row.led), real_paths=real_paths)


def text(shown: str, exact: bytes | None) -> str:
    """A path of a capture as text of an image (see ``image.tree``)."""
    return shown if exact is None else exact.decode(errors="surrogateescape")


def end_of(relative: str) -> str:
    """The part of a relative path that stands at the end of whatever it leads to."""
    parts = posixpath.normpath(relative).split("/")
    return "/".join(one for one in parts if one not in (".", ".."))


def observe(replay: Replay, image: Image) -> Observed:
    """Look up in ``image`` every name that the containers of ``replay`` asked for.

    Raises:
        OptionError: the replay went on from a state.
    """
    replay.check_has_all_events("what was used of an image")
    replay.execute(statement("calls"))
    rows = [_row(found) for found in replay.query(statement("observed")).fetchall()]
    mounts = _mounts(replay)
    kernel = dict.fromkeys(KERNEL_MOUNTS, False)
    moved = _moved_roots(replay, image)
    ways = _made_ways(replay, image, mounts)
    for one in moved:
        for root in one.roots:  # if something is mounted there, it may be the root itself
            mounts.get(one.container_no, {}).pop(root, None)
    observer = _Observer(image, _roots(image, rows, moved), ways)
    observer.observed.rootless.update(one.name for one in moved if not one.roots)
    for row in rows:
        observer.see(row, mounts.get(row.container_no, kernel))
    for number, exe, first, last in replay.query(statement("running")).fetchall():
        observer.observed.running.add(exe)
        observer.see(_running(number, exe, first, last), mounts.get(number, kernel))
    observer.observed.unresolved.update(observer.behind_made())
    observer.observed.unresolved.update(*(one.unfollowed for one in ways.values()))
    return observer.observed


def _running(number: int, exe: str, first: datetime | None, last: datetime | None) -> _Row:
    """A program that was there before recording began, as if it had been seen to start."""
    return _Row(
        container_no=number,
        path=exe,
        path_bytes=None,
        base=None,
        base_bytes=None,
        led=None,
        is_below=False,
        is_link=False,
        real_paths=[],
        uses=1,
        looks=0,
        executed=True,
        is_root=False,
        is_there=True,
        first_seen=first,
        last_seen=last,
        syscalls=["running"],
        programs=[exe],
    )


def _mounts(replay: Replay) -> dict[int, _Mounts]:
    """Where the containers had something mounted, but for their root."""
    mounts: dict[int, _Mounts] = {}
    rows = replay.query(
        "SELECT container_no, mount_point, root FROM mounts ORDER BY mount_point"
    ).fetchall()
    for number, point, root in rows:
        if point != "/":
            own = mounts.setdefault(number, dict.fromkeys(KERNEL_MOUNTS, False))
            is_volume = _VOLUME.search(root or "") is not None
            own[point] = own.get(point, False) or is_volume
    return mounts


def _roots(image: Image, rows: Iterable[_Row], moved: Iterable[_Moved]) -> list[tuple[str, Node]]:
    """The image's root, and every directory in it that a process took, or may have, as its root.

    Which names a process asked for after that is not known: all are looked up below each.
    """
    roots: dict[str, Node] = {"": image.root}
    for row in rows:
        if row.is_root:
            roots |= _directories(image, [*row.real_paths, *_absolute(row)])
    for one in moved:
        roots |= one.roots
    return list(roots.items())


def _moved_roots(replay: Replay, image: Image) -> list[_Moved]:
    rows = replay.query(statement("moved_roots")).fetchall()
    return [
        _Moved(number, name, _directories(image, map(text_in_image, names or ()), KERNEL_MOUNTS))
        for number, name, names in rows
    ]


def _made_ways(replay: Replay, image: Image, mounts: dict[int, _Mounts]) -> dict[int, MadeWays]:
    """The links and mounts that the containers' programs made.

    What the image has where they mounted something may have been used before: that is none of
    ``mounts`` any more.
    """

    def resolved(name: str) -> str | None:
        return image.find(name).end

    found: dict[int, list[tuple[str, str]]] = {}
    for number, name, target, is_mount in replay.query(statement("made_ways")).fetchall():
        if is_mount:
            mounts.get(number, {}).pop(text_in_image(name), None)
        if target:
            found.setdefault(number, []).append((text_in_image(name), text_in_image(target)))
    return {number: MadeWays(ways, resolved) for number, ways in found.items()}


def _directories(
    image: Image, names: Iterable[str], mounts: Collection[str] | None = None
) -> dict[str, Node]:
    """The directories below the image's root, and not on ``mounts``, that ``names`` lead to."""
    found: dict[str, Node] = {}
    for name in names:
        way = find(image.root, name, mounts=mounts)
        if way.node is not None and way.node.is_directory and way.end not in ("/", None):
            found[str(way.end)] = way.node
    return found


def _absolute(row: _Row) -> list[str]:
    """The path to look up, with its links and ``..``; none if its directory is not known."""
    path = text(row.path, row.path_bytes)
    if not path:
        return []
    base = text(row.base or "", row.base_bytes)
    if row.is_below:  # the base is its root
        return [base + posixpath.normpath(path)]
    if path.startswith("/"):
        return [path]
    return [f"{base}/{path}"] if base else [row.led] if row.led else []


def _below(root: str, path: str) -> str:
    """The path in the image of ``path`` below a root directory in it (empty: the image's own)."""
    return path if not root else root if path == "/" else root + path


def _find(prefix: str, root: Node, name: str, mounts: Collection[str], follow: bool = True) -> Way:
    """As ``tree.find`` from ``root``, which is at ``prefix`` of the image.

    ``mounts`` and all paths of the way begin at the image's root.
    """
    if not prefix:
        return find(root, name, follow, mounts)
    if prefix in mounts:
        return Way(None, None, (prefix,), mount=prefix)
    own = [one.removeprefix(prefix) for one in mounts if one.startswith(f"{prefix}/")]
    way = find(root, name, follow, own)
    return replace(
        way,
        end=way.end and _below(prefix, way.end),
        passed=tuple(_below(prefix, one) for one in way.passed),
        stopped_at=way.stopped_at and _below(prefix, way.stopped_at),
        mount=way.mount and _below(prefix, way.mount),
    )


def _leads_to(prefix: str, root: Node, name: str, end: str, mounts: Collection[str]) -> bool:
    """Whether ``name`` may lead to ``end``: to it, or to something mounted that ``end`` is in.

    Both begin at ``root``, which is at ``prefix`` of the image; ``mounts`` begin at the image's.
    """
    way = _find(prefix, root, name, mounts)
    if way.mount is not None:
        return f"{_below(prefix, end)}/".startswith(f"{way.mount}/") or bool(way.unsure)
    return way.end is not None and way.end == _find(prefix, root, end, mounts).end


def _may_be_the_images(mount: str, mounts: _Mounts, node: Node | None) -> bool:
    """Whether a file of the image may be what is seen on a mount.

    Not all runtimes mount on ``KERNEL_MOUNTS``, and some copy what is in the image into volumes.
    """
    if mount in KERNEL_MOUNTS:
        return node is not None and node.inode.kind is Kind.FILE
    return mounts[mount]


def _moves(row: _Row) -> bool:
    return not _MOVES.isdisjoint(one.removeprefix("io_uring:") for one in row.syscalls)


def _mounts_on(row: _Row) -> bool:
    return not {"mount", "move_mount"}.isdisjoint(row.syscalls)


class _Observer:
    """Sorts rows by the file they led to."""

    def __init__(
        self, image: Image, roots: Sequence[tuple[str, Node]], ways: Mapping[int, MadeWays]
    ) -> None:
        self.image = image
        self.roots = roots
        self.ways = ways
        self.observed = Observed(mounts=set(KERNEL_MOUNTS))
        self.made: set[str] = set()  # what leads elsewhere than the image says: see behind_made
        self.strange: set[str] = set()  # names of what is there and not in the image

    def see(self, row: _Row, mounts: _Mounts) -> None:
        """Take in a row; what is below ``mounts`` is not the image's."""
        self.observed.mounts.update(mounts)
        names = _absolute(row)
        if not names and row.path:
            self.observed.unresolved.add(text(row.path, row.path_bytes))
        self.observed.unresolved.update(
            through[1] for name in names if row.is_there and (through := _OF_PROCESS.match(name))
        )
        if row.uses:
            names += row.real_paths
        if row.led:
            names += self._through_links(row, row.led, mounts)
        if row.container_no in self.ways:
            names += self.ways[row.container_no].names(names, follow=not row.is_link)
        led_to: dict[str | None, str] = {}
        for name in dict.fromkeys(names):
            led_to = self._look_up(name, row, mounts) | led_to
        if row.uses and (_mounts_on(row) or (_moves(row) and not led_to)):
            self.made.update(map(posixpath.normpath, names))
        if names and row.is_there and not led_to:
            self._outside(names[-1], row, mounts)
            self.strange.update(map(posixpath.normpath, names))
        for path, name in led_to.items():
            if path is not None:
                self._use(path, name, row)

    def _look_up(self, name: str, row: _Row, mounts: _Mounts) -> dict[str | None, str]:
        """Find ``name`` below every root: the files it led to; null for one on a mount."""
        led_to: dict[str | None, str] = {}
        for prefix, root in self.roots:
            way = _find(prefix, root, name, mounts, follow=not row.is_link)
            if way.unsure:
                self.observed.unresolved.add(way.unsure)
            if not prefix or way.node is not None or way.mount is not None:
                for one in way.passed:
                    if one != way.end:
                        self.observed.ways.setdefault(one, way.end or name)
            if way.mount is not None:
                led_to[None] = name
                if row.is_there:
                    self._outside(name, row, mounts, way.mount)
                hidden = _find(prefix, root, name, (), follow=not row.is_link)
                if hidden.end and _may_be_the_images(way.mount, mounts, hidden.node):
                    led_to[hidden.end] = name
            elif way.end is not None:
                led_to[way.end] = name
            elif way.stopped_at is not None:  # ENOTDIR tells that it is there
                refused = row._replace(uses=0, executed=False)
                self._use(way.stopped_at, name, refused)
        return led_to

    def behind_made(self) -> Iterator[str]:
        """What of the names seen stands behind a link, a new name or a mount made meanwhile."""
        for name in self.strange:
            for place, letter in enumerate(name):
                if letter == "/" and name[:place] in self.made:
                    yield name[place + 1 :]

    def _through_links(self, row: _Row, end: str, mounts: _Mounts) -> Iterator[str]:
        """Names by which a relative path whose directory is not known may have led to ``end``.

        It says where it ended, and not which link it took: chdir(2) has changed the directory by
        the time it returns. A link counts where the path's beginning stands at the end of the
        link's own path, and the rest of it leads on to ``end``.
        """
        parts = components(text(row.path, row.path_bytes))
        for number, part in enumerate(parts):
            beginning = "/" + end_of("/".join(parts[: number + 1]))
            for link in self._links.get(part, ()):
                for prefix, root in self.roots:
                    if link.startswith(f"{prefix}/") and link.endswith(beginning):
                        name = "/".join([link.removeprefix(prefix), *parts[number + 1 :]])
                        if _leads_to(prefix, root, name, end, mounts):
                            yield name

    @cached_property
    def _links(self) -> dict[str, list[str]]:
        """The paths of the image's symbolic links by their last name."""
        links: dict[str, list[str]] = {}
        for path, inode in self.image.files.items():
            if inode.kind is Kind.SYMLINK:
                links.setdefault(posixpath.basename(path), []).append(path)
        return links

    def _use(self, path: str, name: str, row: _Row) -> None:
        kind = self.image.files[path].kind
        if row.uses and kind in (Kind.DIRECTORY, Kind.SYMLINK) and _moves(row):
            self.observed.moved.add(path)
        use = self.observed.files.setdefault(path, Use())
        use.uses += row.uses
        use.looks += row.looks
        use.executed = use.executed or row.executed
        times = [one for one in (use.first_seen, row.first_seen) if one]
        use.first_seen = min(times, default=None)
        times = [one for one in (use.last_seen, row.last_seen) if one]
        use.last_seen = max(times, default=None)
        use.syscalls.update(row.syscalls)
        use.programs.update(row.programs or ())
        if name != path:
            use.names.add(name)

    def _outside(self, name: str, row: _Row, mounts: _Mounts, mount: str = "") -> None:
        clean = posixpath.normpath(name)
        mount = mount or next((one for one in mounts if clean.startswith(f"{one}/")), "")
        place = f"mounted at {mount}" if mount else "not in the image"
        known = self.observed.outside.get(name)
        times = [one for one in (known and known.last_seen, row.last_seen) if one]
        self.observed.outside[name] = Outside(name, place, max(times, default=None))
        if row.executed and mount not in KERNEL_MOUNTS and not name.startswith(_IN_MEMORY):
            self.observed.executed_outside.add(name)
