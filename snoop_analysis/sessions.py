# SPDX-License-Identifier: Apache-2.0
"""Finding the sessions of a capture, and what their ``session.json`` says."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from glob import glob
from pathlib import Path
from typing import Any, Final, TypeVar

from snoop_analysis.errors import CaptureError, ChangedError, ForbiddenError
from snoop_analysis.fields import Fields, text_of, time_of
from snoop_analysis.segments import Segment, segment_file, summary_file
from snoop_analysis.sqltext import has_pattern
from snoop_format import session as session_files
from snoop_format.errors import FormatError
from snoop_format.schema import RESULT_LOST
from snoop_format.summary import SUMMARY_FILE, Dropped, read_dropped

Found = TypeVar("Found")
Key = tuple[str, str]  # host and id of a session
_NAMES: Final = "their names are events-00000001.parquet, events-00000002.parquet and so on"
_MOST_RUNS: Final = 5  # of missing segments that a sentence names
_MOST_MISSING: Final = 100_000  # segments: where more are, a number is no segment's
COMPACTING: Final = ".compacting"  # what a killed compaction leaves beside its session
SKIP: Final = "--skip-damaged (skip_damaged=True) goes on without it"
_ALLOW: Final = (
    "if it belongs to another user, read it with sudo, "
    "or let that user give it away with chown -R, or chmod -R a+rX"
)


@dataclass(frozen=True, slots=True)
class Container:
    """A container as ``session.json`` lists it.

    ``mounts`` are the places in it where something is mounted, each with what of a file system that
    is (null where unknown); empty where that is not known.
    ``running`` are the processes that it had when recording began.
    """

    cgroup_id: int
    name: str
    cgroup_path: str
    image: str | None
    image_digest: str | None
    mounts: tuple[tuple[str, str | None], ...] = ()
    running: int = 0


@dataclass(frozen=True, slots=True)
class Session:
    """One run of a recorder. Times are null where unknown.

    ``lists_containers`` is false where ``session.json`` says nothing of containers: then every
    cgroup of its events is one.
    ``is_open`` is true where it says that the session has not ended.
    ``recovered_at`` is when another recorder finished it, its own having been killed.
    ``command`` are the words of what was run to be recorded; empty where it was none.
    ``missing`` are the numbers of segments that are not there though they are listed, or others on
    both sides are.
    ``unrecorded_rings`` are the io_uring instances whose calls the kernel did not let be recorded.
    ``lost_results`` are calls through io_uring whose result was lost.
    ``left_running`` are processes of ``command`` that outlived the recording, and ``moved_out``
    those that went on in cgroups that were not recorded.
    ``dropped`` are segments removed to save space; ``summary`` is what is left of them, null if
    there is none.
    ``checksums`` are the CRC-32 of sealed segments by number, as far as ``session.json`` has them.
    """

    directory: Path
    session_id: str
    host: str
    boot_id: str | None
    pod_name: str | None
    namespace: str | None
    started_at: datetime | None
    ended_at: datetime | None
    is_open: bool
    recovered_at: datetime | None
    command: tuple[str, ...]
    containers: tuple[Container, ...]
    lists_containers: bool
    losses: Mapping[str, int]
    segments: tuple[Segment, ...]
    dropped: Dropped
    summary: Segment | None
    missing: tuple[int, ...] = ()
    unrecorded_rings: int = 0
    lost_results: int = 0
    left_running: int = 0
    moved_out: int = 0
    checksums: Mapping[int, int] = field(default_factory=dict)

    @property
    def key(self) -> Key:
        """What makes two sessions copies of each other."""
        return self.host, self.session_id

    @property
    def rows(self) -> int:
        """Events in its segments."""
        return sum(one.rows for one in self.segments)

    @property
    def is_partly_numbered(self) -> bool:
        """Whether some of its segments have a seq, and others none: places stand for theirs."""
        return len({"seq" in one.columns.names for one in self.segments}) > 1


@dataclass
class Finder:
    """Finds sessions, and refuses or leaves out what cannot be read.

    Attributes:
        skip_damaged: go on without what cannot be read.
        copies_once: take the fullest copy of a session instead of refusing the others.
        left_out: what was left out, a sentence each.
    """

    skip_damaged: bool = False
    copies_once: bool = False
    left_out: list[str] = field(default_factory=list)

    def sessions(self, roots: Iterable[Path]) -> list[Session]:
        """The sessions in all ``roots``, each once, in replay order: by start.

        A root is a session directory, a directory that holds some, or a pattern for such.

        Raises:
            CaptureError: there is no session, or one that cannot be read and is not left out.
        """
        directories = dict.fromkeys(
            directory.resolve() for root in roots for directory in _session_directories(root)
        )
        found = [self._attempt_session(at, directories) for at in directories]
        sessions = self._each_once(one for one in found if one)
        holds_some = self.left_out or any(one.segments or one.dropped.segments for one in sessions)
        if sessions and not holds_some:
            empty = f"{sessions[0].directory} is an empty capture: it holds no segment"
            self.attempt(partial(_refuse, empty))
        return sorted(sessions, key=_start)

    def attempt(self, read: Callable[[], Found]) -> Found | None:
        """What ``read`` returns; null if it fails and damage is left out.

        Raises:
            CaptureError: it fails, and damage is refused.
            ChangedError: a recorder has changed it just then.
            ForbiddenError: the user may not read it; what to do is left to say.
        """
        try:
            return read()
        except (ChangedError, ForbiddenError):
            raise
        except (CaptureError, FormatError, OSError) as error:
            sentence = _sentence(error)
            forbidden = isinstance(error.__cause__ or error, PermissionError)
        if forbidden and not self.skip_damaged:
            raise ForbiddenError(sentence)
        if not self.skip_damaged:
            raise CaptureError(sentence if sentence.endswith(SKIP) else f"{sentence}; {SKIP}")
        self.left_out.append(sentence)
        return None

    def _attempt_session(self, directory: Path, all_of_them: Iterable[Path]) -> Session | None:
        try:
            return self.attempt(partial(self._session, directory))
        except ForbiddenError as error:
            others = [one for one in all_of_them if one != directory and _may_be_read(one)]
            advice = [_ALLOW, SKIP] if others else [_ALLOW]
            raise ForbiddenError("; ".join([str(error), *advice])) from error

    def _session(self, directory: Path) -> Session:
        """The session in a directory.

        A recorder may seal or remove segments while it is read: then it is read again.
        """
        while True:
            there, known = _names(directory), len(self.left_out)
            try:
                session = self._read(directory)
            except (CaptureError, FormatError, OSError):
                if _names(directory) == there:
                    raise
                continue
            if len(self.left_out) == known or _names(directory) == there:
                return session
            del self.left_out[known:]

    def _read(self, directory: Path) -> Session:
        try:
            str(directory).encode()
        except UnicodeEncodeError:
            raise CaptureError(f"the name of {directory} is not UTF-8: rename it") from None
        if not has_pattern(str(directory)):
            raise CaptureError(
                f"the name of {directory} has a backslash and one of * ? [, which DuckDB cannot "
                "read: rename it"
            )
        said = Fields(directory / session_files.SESSION_FILE, session_files.read_session(directory))
        for misnamed in session_files.misnamed_segments(directory):
            self.attempt(partial(_refuse, f"{misnamed} is no segment: {_NAMES}"))
        dropped = self._dropped(directory, said.values)
        listed = {
            number: entry for number, entry in _listed(said).items() if not dropped.holds(number)
        }
        there = [
            (number, path)
            for number, path in session_files.segments(directory)
            if not dropped.holds(number)
        ]
        rows = {number: entry.number("rows") for number, entry in listed.items()}
        read = [
            self.attempt(partial(segment_file, number, path, rows.get(number)))
            for number, path in there
        ]
        for damage in filter(None, (one.damage for one in read if one)):
            self.attempt(partial(_refuse, damage))
        summary = directory / SUMMARY_FILE
        session = _session(
            directory,
            said,
            segments=tuple(one for one in read if one),
            dropped=dropped,
            summary=self.attempt(partial(summary_file, summary)) if summary.exists() else None,
        )
        session = replace(session, segments=tuple(self._each_event_once(session.segments)))
        missing = _missing(directory, {number for number, _ in there}, set(listed), dropped)
        if missing:
            self.attempt(partial(_refuse, _gap(directory, missing)))
        return replace(session, missing=missing)

    def _dropped(self, directory: Path, said: dict[str, Any]) -> Dropped:
        """What was removed; of a damaged summary that is left out, what ``session.json`` says."""
        dropped = self.attempt(partial(read_dropped, directory, said))
        if dropped is None:
            with suppress(FormatError):
                return Dropped.of(said.get("dropped"))
        return dropped or Dropped()

    def _each_event_once(self, segments: Sequence[Segment]) -> Iterator[Segment]:
        """Segments without those that hold events of another one."""
        doubled = dict(_doubled(segments))
        for segment in segments:
            if segment.number not in doubled:
                yield segment
                continue
            other = doubled[segment.number].path.name
            both = f"{segment.path} and {other} hold the same events: remove one"
            self.attempt(partial(_refuse, both))

    def _each_once(self, sessions: Iterable[Session]) -> list[Session]:
        """Sessions without a copy of another one; where copies are passed over, the fullest."""
        kept: dict[Key, Session] = {}
        for session in sessions:
            first = kept.setdefault(session.key, session)
            if first is session:
                continue
            if self.copies_once:
                kept[session.key] = max(first, session, key=_fullness)
            else:
                copy = (
                    f"{session.directory} and {first.directory} are the same session "
                    f"{session.session_id}: give one of them"
                )
                self.attempt(partial(_refuse, copy))
        return list(kept.values())


def _fullness(session: Session) -> tuple[int, int, bool]:
    """How much a copy knows: one may be older, made while the session was recorded."""
    known = session.rows + session.dropped.summarized_rows
    return known, session.rows, not session.is_open


def _doubled(segments: Iterable[Segment]) -> Iterator[tuple[int, Segment]]:
    """Numbers of segments with events of another one, and that one; as far as ``seq`` tells."""
    ranges = sorted((one.dense_range, one.number, one) for one in segments if one.dense_range)
    ahead, reached = None, -1
    for (first, last), number, segment in ranges:
        if ahead is not None and first <= reached:
            yield number, ahead
        if last > reached:
            ahead, reached = segment, last


def _refuse(sentence: str) -> None:
    raise CaptureError(sentence)


def _sentence(error: Exception) -> str:
    if isinstance(error, OSError):
        return f"cannot read {error.filename}: {error.strerror}"
    return str(error)


def _may_be_read(directory: Path) -> bool:
    as_effective = os.access in os.supports_effective_ids
    return os.access(directory / session_files.SESSION_FILE, os.R_OK, effective_ids=as_effective)


def _start(session: Session) -> tuple[datetime, str]:
    return session.started_at or datetime.min.replace(tzinfo=UTC), session.directory.name


def _session_directories(root: Path) -> list[Path]:
    try:
        return _sessions_below(root)
    except PermissionError as error:
        raise ForbiddenError(f"{_sentence(error)}; {_ALLOW}") from error
    except OSError as error:
        raise CaptureError(f"cannot read {error.filename or root}: {error.strerror}") from error


def _sessions_below(root: Path) -> list[Path]:
    if not root.exists():
        matches = [Path(match) for match in sorted(glob(str(root)))]  # noqa: PTH207
        if not matches:
            raise CaptureError(f"there is no capture at {root}: no such directory")
        directories = [one for one in matches if one.is_dir() and not _is_left_over(one)]
        if not directories:
            raise CaptureError(f"there is no capture at {root}: it matches no directory")
        return [one for directory in directories for one in _sessions_below(directory)]
    if not root.is_dir():
        raise CaptureError(
            f"{root} is a file; a capture is a directory that holds {session_files.SESSION_FILE}"
        )
    if _looks_like_session(root):
        return [root]
    entries = [one for one in sorted(root.iterdir()) if not _is_left_over(one)]
    found = [entry for entry in entries if _looks_like_session(entry)]
    if not found:
        raise CaptureError(
            f"{root} holds no capture: neither it nor a directory in it "
            f"has a {session_files.SESSION_FILE}"
        )
    return found


def _is_left_over(directory: Path) -> bool:
    """Whether a compaction was killed: the session itself is whole, before and after."""
    return directory.suffix == COMPACTING and _looks_like_session(directory.with_suffix(""))


def _looks_like_session(directory: Path) -> bool:
    """Also true of a session that lost its session.json, so that it is not passed over.

    And of a directory that cannot be read: it may be one.
    """
    try:
        return directory.is_dir() and (
            (directory / session_files.SESSION_FILE).exists()
            or next(session_files.segments(directory), None) is not None
        )
    except PermissionError:
        return True


def _names(directory: Path) -> list[str]:
    return [path.name for _, path in session_files.segments(directory)]


def _session(directory: Path, said: Fields, **parts: Any) -> Session:
    return Session(
        directory=directory,
        session_id=said.text("session_id") or str(directory),
        host=said.text("host") or "",
        boot_id=said.text("boot_id"),
        pod_name=said.text("pod_name") or said.text("pod"),
        namespace=said.text("namespace"),
        started_at=time_of(said.values.get("started_at")),
        ended_at=said.time("ended_at"),
        is_open=said.values.get("ended_at", "") is None,
        recovered_at=time_of(said.values.get("recovered_at")),
        command=_words(said.values.get("command")),
        containers=tuple(_containers(said.tables("containers"))),
        lists_containers=said.values.get("containers") is not None,
        losses=said.counts("losses"),
        unrecorded_rings=_unrecorded_rings(said.table("io_uring")),
        lost_results=said.counts("defects").get(RESULT_LOST, 0),
        left_running=said.count("left_running"),
        moved_out=said.count("moved_out"),
        checksums=_checksums(said),
        **parts,
    )


def _listed(said: Fields) -> dict[int, Fields]:
    """What ``session.json`` says of sealed segments, by their number.

    Raises:
        CaptureError: it says what cannot be.
    """
    listed: dict[int, Fields] = {}
    for entry in said.tables("segments"):
        number = session_files.sealed_number(entry.text("file") or "")
        if number is None:
            raise entry.damage(f"{entry.place}file is no segment: {_NAMES}")
        for name in ("rows", "bytes", "crc32"):
            entry.number(name)
        for name in ("first_seq", "last_seq"):
            entry.number(name, most=(1 << 64) - 1)
        listed[number] = entry
    return listed


def _checksums(said: Fields) -> dict[int, int]:
    found = {number: entry.number("crc32") for number, entry in _listed(said).items()}
    return {number: crc for number, crc in found.items() if crc is not None}


def _missing(
    directory: Path, there: set[int], listed: set[int], dropped: Dropped
) -> tuple[int, ...]:
    """Numbers absent between the first and the last segment there is or ought to be.

    What ``session.json`` lists ought to be there: a recorder takes what it removes off the list
    first. Segments before the first may have been removed on purpose, unless it is said which were.

    Raises:
        CaptureError: there are more than a recorder can have written.
    """
    wanted = there | listed
    if not wanted:
        return ()
    first = dropped.last_segment + 1 if dropped.segments else min(wanted)
    if max(wanted) - first - len(there) > _MOST_MISSING:
        raise CaptureError(
            f"{directory} is damaged: its segments are numbered from {first} to {max(wanted)}, and "
            f"it has only {len(there)} of them"
        )
    return tuple(n for n in range(first, max(wanted) + 1) if n not in there)


def _gap(directory: Path, missing: Sequence[int]) -> str:
    """A sentence: how many segments are missing, and which."""
    if len(missing) == 1:
        return f"{directory} lacks segment {missing[0]}: its events are missing"
    runs = _runs(missing)
    which = ", ".join(runs[:_MOST_RUNS]) + (", …" if len(runs) > _MOST_RUNS else "")
    return f"{directory} lacks {len(missing)} segments, {which}: their events are missing"


def _runs(numbers: Sequence[int]) -> list[str]:
    """Ascending numbers as ``1-3``, ``7``."""
    known = set(numbers)
    begins = [number for number in numbers if number - 1 not in known]
    ends = [number for number in numbers if number + 1 not in known]
    pairs = zip(begins, ends, strict=True)
    return [f"{begin}-{end}" if begin < end else f"{begin}" for begin, end in pairs]


def _words(said: Any) -> tuple[str, ...]:
    return tuple(text_of(one) or "" for one in said) if isinstance(said, list) else ()


def _containers(entries: Iterable[Fields]) -> Iterator[Container]:
    """The containers of a session, each cgroup once."""
    known: set[int] = set()
    for entry in entries:
        cgroup_id = entry.number("cgroup_id", most=(1 << 64) - 1)
        if cgroup_id is None:
            raise entry.damage("a container has no cgroup_id")
        if cgroup_id in known:
            continue
        known.add(cgroup_id)
        yield Container(
            cgroup_id=cgroup_id,
            name=entry.text("name") or "",
            cgroup_path=entry.text("cgroup_path") or "",
            image=entry.text("image"),
            image_digest=entry.text("image_digest"),
            mounts=_mounts(entry.values.get("mounts")),
            running=entry.count("running"),
        )


def _mounts(said: Any) -> tuple[tuple[str, str | None], ...]:
    """The mounts of a container, as far as their points are absolute paths."""
    mounts = [one for one in said if isinstance(one, dict)] if isinstance(said, list) else []
    places = ((text_of(one.get("mount_point")), text_of(one.get("root"))) for one in mounts)
    found = [(point, root) for point, root in places if point and point.startswith("/")]
    return tuple(dict.fromkeys(found))


def _unrecorded_rings(said: Fields) -> int:
    rings = said.count("rings")
    return rings if said.flag("recorded") is False else 0
