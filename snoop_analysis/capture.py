# SPDX-License-Identifier: Apache-2.0
"""The only door from a recording to anything that is said about it."""

import errno
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import cached_property, partial
from importlib.resources import files
from os import PathLike
from pathlib import Path
from tempfile import gettempdir
from threading import Lock, RLock
from typing import TYPE_CHECKING, Final
from uuid import uuid4
from weakref import ref

import duckdb
import pyarrow as pa

from snoop_analysis.display.descriptions import of_capture
from snoop_analysis.display.notebook import show_relations
from snoop_analysis.errors import CaptureError, ChangedError, ClosedError, OptionError, first_line
from snoop_analysis.matching import digest_of
from snoop_analysis.progress import ProgressBar
from snoop_analysis.querying import relation_of
from snoop_analysis.replay import Replay
from snoop_analysis.rows import (
    no_rows,
    open_table,
    segment_rows,
    summary_rows,
    summary_table,
)
from snoop_analysis.segments import Segment
from snoop_analysis.sessions import Container, Finder, Key, Session
from snoop_analysis.settings import DEFAULT_EXCLUDE, Settings, listed, whole
from snoop_analysis.sqltext import statement
from snoop_analysis.state import State
from snoop_format.errors import FormatError
from snoop_format.summary import SUMMARY, read_dropped

if TYPE_CHECKING:
    from snoop_analysis.plotting.plots import Plots

MEMORY_LIMIT: Final = "1500MB"
_LEAST_MEMORY: Final = 32 << 20  # with less, DuckDB cannot even answer about nothing
_BROKEN_PIPE: Final = os.strerror(errno.EPIPE)
_INTERRUPTED: Final = "Query interrupted"  # which DuckDB raises where Python would for Ctrl-C
_Identity = tuple[int, str, str, str]


class Capture:
    """A capture: sessions that are replayed as one.

    Opening reads the sessions' metadata and the segments' footers; events stay on the disk until
    a query asks for them (those of a segment that is still being written, and the summary of
    removed ones, are read at once: a recorder may replace these files at any time).

    Memory: DuckDB keeps at most ``memory_limit`` and puts what does not fit into
    ``temporary``; what grows is the number of distinct names, not of events. Outside that limit
    are the lists of a report and, for each container with a bound, 16 bytes a file.

    Threads may share a capture and its replays, each with relations of its own: what changes
    tables, a new replay for one, waits for what another thread changes.

    Args:
        path: a session directory, a directory that holds some, a pattern for such, or a list.
        skip_damaged: leave out what cannot be read, and say so in the report, instead of
            raising. Every segment is then read once to see whether it can be.
        memory_limit: as DuckDB takes it, ``"4GB"`` for one; at least ``"32MiB"``.
        temporary: directory for what does not fit; made when needed.
        by_image: containers of the same image digest are one, on whatever node and in whatever
            session; of copies of a session the fullest counts.

    Attributes:
        sessions_found: the sessions, in replay order.
        left_out: what was left out, a sentence each.

    Raises:
        CaptureError: there is no capture, or one that cannot be read.
        ChangedError: a recorder removed segments of it just then: open it again.
        OptionError: ``path`` is no path, or ``memory_limit`` none or too little.
    """

    def __init__(
        self,
        *path: str | PathLike[str] | Sequence[str | PathLike[str]],
        skip_damaged: bool = False,
        memory_limit: str = MEMORY_LIMIT,
        temporary: str | PathLike[str] | None = None,
        by_image: bool = False,
    ) -> None:
        self.by_image = by_image
        self.paths = [one for given in path for one in _paths(given)]
        if not self.paths:
            raise CaptureError("no capture is given: name the directory of a session, or of some")
        finder = Finder(skip_damaged, copies_once=by_image)
        self.left_out = finder.left_out
        self.sessions_found = finder.sessions(self.paths)
        self.database = _connect(memory_limit, temporary)
        self._connections: list[ref[duckdb.DuckDBPyConnection]] = []
        self._keeping_count = Lock()
        self._changing = RLock()
        self._progress: ProgressBar | None = None
        for name in ("normalise", "reading", "calls", "tables"):
            self.database.execute(statement(name))
        if skip_damaged:
            self.sessions_found = [self._readable(one, finder) for one in self.sessions_found]
        self.sessions_found = [
            self._with_tables(number, one, finder) for number, one in enumerate(self.sessions_found)
        ]
        with self.reading():
            self.database.execute(f"CREATE VIEW rows AS {self.rows_from({})}")
            self.database.execute(f"CREATE VIEW summary_rows AS {self._summary_rows()}")
        self.sessions_found = [
            one if one.lists_containers else self._with_containers(number, one)
            for number, one in enumerate(self.sessions_found)
        ]
        self._fill_tables()
        with self.reading():
            self.database.execute(statement("events"))
        show_relations()

    def __repr__(self) -> str:
        return of_capture(self).text()

    def _repr_html_(self) -> str:
        return of_capture(self).html()

    def close(self) -> None:
        """Give up the memory and the temporary files; relations cannot be read any more."""
        if self._progress:
            self._progress.stop()
        for known in self._connections:
            connection = known()
            if connection is not None:
                connection.close()
        self.database.close()

    def positions(self) -> dict[Key, int]:
        """The seq behind the last event, by host and id of the session; removed ones count."""
        ends = {
            session.key: self._last_seq(number, session)
            for number, session in enumerate(self.sessions_found)
        }
        return {key: last + 1 for key, last in ends.items() if last is not None}

    @property
    def is_dated(self) -> bool:
        """Whether the files say that every event has a time; those of a recorder do."""
        return all(one.is_dated for session in self.sessions_found for one in session.segments)

    def _last_seq(self, session_no: int, session: Session) -> int | None:
        lasts = [one.last_seq for one in session.segments if one.rows]
        if None in lasts:
            query = f"SELECT max(seq) FROM rows WHERE session_no = {session_no}"
            lasts = [last for (last,) in self.query(query).fetchall()]
        return max(
            (one for one in (*lasts, session.dropped.last_seq) if one is not None), default=None
        )

    def identities(self) -> frozenset[str]:
        """What makes each container the same one in another session."""
        return frozenset(one for (one,) in self.query("SELECT identity FROM containers").fetchall())

    def from_arrow(self, table: pa.Table) -> duckdb.DuckDBPyRelation:
        """A table as a relation of this capture's database."""
        return self.connect().from_arrow(table)

    def show_progress(self) -> None:
        """Show on standard error how far queries of more than a second are."""
        self._progress = ProgressBar(self._connections)
        self._keep_count(self.database)

    def connect(self, other: duckdb.DuckDBPyConnection | None = None) -> duckdb.DuckDBPyConnection:
        """A connection to this capture's database, besides ``other`` and the rest.

        Raises:
            ClosedError: the capture, or the replay ``other`` is of, is closed.
        """
        try:
            connection = (other or self.database).cursor()
        except duckdb.ConnectionException as error:
            raise ClosedError from error
        self._keep_count(connection)
        return connection

    def _keep_count(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Let DuckDB count how far queries are, but not show it by itself."""
        connection.execute("SET enable_progress_bar = true; SET enable_progress_bar_print = false")
        with self._keeping_count:
            alive = [known for known in self._connections if known() is not None]
            self._connections[:] = [*alive, ref(connection)]

    @property
    def events(self) -> duckdb.DuckDBPyRelation:
        """Every event, lazily: the columns of the format, and those of ``sql/events.sql``."""
        return self._relation("SELECT * FROM events")

    @property
    def summarized(self) -> duckdb.DuckDBPyRelation:
        """What segments held that were removed to save space; columns in ``sql/events.sql``."""
        return self._relation("SELECT * FROM summarized")

    @property
    def sessions(self) -> duckdb.DuckDBPyRelation:
        """The sessions, in replay order; columns in ``sql/tables.sql``."""
        return self._relation("SELECT * FROM sessions ORDER BY session_no")

    @property
    def containers(self) -> duckdb.DuckDBPyRelation:
        """The containers; columns in ``sql/tables.sql``."""
        return self._relation("SELECT * FROM containers ORDER BY container_no")

    @property
    def losses(self) -> duckdb.DuckDBPyRelation:
        """Calls without a row, by session and cause."""
        return self._relation("SELECT * FROM losses ORDER BY session_no, cause")

    def _relation(self, sql: str) -> duckdb.DuckDBPyRelation:
        """A query with a connection of its own: one that is being read stops no other."""
        return self.connect().sql(sql)

    @cached_property
    def plot(self) -> "Plots":
        """Pictures of a replay with nothing but the defaults; see ``Replay.plot``."""
        return self.replay().plot

    @staticmethod
    def sample() -> "Capture":
        """A small real capture that comes with the package: ``import json, sqlite3``."""
        return Capture(Path(str(files("snoop_analysis").joinpath("sample"))))

    def query(self, sql: str) -> duckdb.DuckDBPyRelation:
        """The result of any SELECT over ``events``, ``containers``, ``losses``, ``sessions``.

        And over ``summarized``, what is left of removed segments.

        Raises:
            OptionError: it is no SELECT, or several.
            CaptureError: DuckDB does not understand it (the message is DuckDB's), a segment turns
                out to be damaged, or the capture is closed.
        """
        with self.reading():
            return relation_of(self.connect(), sql)

    def replay(
        self,
        exclude: Sequence[str] = DEFAULT_EXCLUDE,
        max_unique_files: int = 0,
        syscalls: Sequence[str] | None = None,
        containers: Sequence[str | int] | None = None,
        since: datetime | str | None = None,
        until: datetime | str | None = None,
        found_only: bool = False,
        state: State | None = None,
    ) -> Replay:
        """Replay the recording: normalise, exclude, de-duplicate, count.

        Events that a filter leaves out count nowhere.

        Args:
            exclude: prefixes of normalised paths to leave out.
            max_unique_files: files the LRU of a container holds; 0: all.
            syscalls: take events of these calls alone; null: of all.
            containers: take these containers alone, by a name they had or a cgroup id; null: all.
            since: take events from this time on (a time without zone is UTC). Of an event without
                a time nobody knows: it counts, and the report says so.
            until: take events before this time; likewise.
            found_only: take calls alone that succeeded.
            state: go on where an earlier replay with the same settings ended: read new events
                alone, and report on all. ``Replay`` says what is about the new events.

        Raises:
            OptionError: a setting with a value it cannot have, or a state that the capture does
                not follow on.
            CaptureError: a segment turns out to be damaged.
        """
        if state is not None and not isinstance(state, State):
            raise OptionError(f"state is what Replay.state gives, and not {state!r}")
        settings = Settings(
            exclude=listed("exclude", exclude, str),
            max_unique_files=whole("max_unique_files", max_unique_files),
            syscalls=None if syscalls is None else listed("syscalls", syscalls, str),
            containers=None if containers is None else listed("containers", containers, str, int),
            since=_time("since", since),
            until=_time("until", until),
            found_only=found_only,
        )
        return Replay(self, settings, state)

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Turns what DuckDB says of a damaged file into a sentence that names it.

        Raises:
            KeyboardInterrupt: a query was interrupted.
            OptionError: there is too little memory or temporary space.
            BrokenPipeError: nobody reads any more what DuckDB writes.
            CaptureError: a segment is damaged, or the capture is closed.
        """
        try:
            yield
        except duckdb.ConnectionException as error:
            raise ClosedError from error
        except duckdb.OutOfMemoryException as error:
            raise OptionError(
                "there is not enough memory, or no room for temporary files; "
                f"give more with --memory-limit (memory_limit): {first_line(error)}"
            ) from error
        except RuntimeError as error:
            if str(error) == _INTERRUPTED:
                raise KeyboardInterrupt from None
            raise
        except duckdb.Error as error:
            if isinstance(error, duckdb.IOException) and _BROKEN_PIPE in str(error):
                raise BrokenPipeError(errno.EPIPE, _BROKEN_PIPE) from error
            self.check_files()
            raise CaptureError(f"DuckDB cannot go on: {first_line(error)}") from error

    @contextmanager
    def changing(self) -> Iterator[None]:
        """``reading``, for what changes tables: of the threads, one at a time.

        DuckDB refuses a second call on a connection, and a second change to a table.
        """
        with self._changing, self.reading():
            yield

    def check_files(self) -> None:
        """Read every file to its end.

        Raises:
            CaptureError: one cannot be read; the sentence names it.
        """
        with self._changing:
            for session in self.sessions_found:
                for segment in session.segments:
                    self._read_segment(segment)

    def _with_containers(self, number: int, session: Session) -> Session:
        """``session`` with a container for every cgroup of its events."""
        query = " UNION ".join(
            f"SELECT cgroup_id FROM {table} WHERE session_no = {number}"
            for table in ("rows", "summary_rows")
        )
        with self.reading():
            seen = sorted(one for (one,) in self.database.execute(query).fetchall())
        containers = [Container(one, f"cgroup {one}", "", None, None) for one in seen]
        return replace(session, containers=tuple(containers))

    def _readable(self, session: Session, finder: Finder) -> Session:
        """``session`` without what cannot be read to its end."""
        read = [finder.attempt(partial(self._read_segment, one)) for one in session.segments]
        return replace(session, segments=tuple(one for one in read if one))

    def _read_segment(self, segment: Segment) -> Segment:
        if segment.unsealed is None:
            for query in segment_rows(0, [segment]):
                self._run(segment.path, f"SELECT max(hash(COLUMNS(*))) FROM ({query})")
        return segment

    def _run(self, path: Path, query: str) -> None:
        """Run a query that reads a file to its end.

        Raises:
            CaptureError: it cannot be read.
        """
        try:
            self.database.execute(query).fetchall()
        except duckdb.Error as error:
            if not path.exists():
                raise ChangedError(f"{path} was removed while it was read: try again") from error
            raise CaptureError(f"{path} is damaged: {first_line(error)}") from error

    def _with_tables(self, number: int, session: Session, finder: Finder) -> Session:
        """``session`` with what its recorder may still change in tables."""
        loaded = [finder.attempt(partial(self._load, number, one)) for one in session.segments]
        summary = finder.attempt(partial(self._load_summary, number, session))
        return replace(session, segments=tuple(one for one in loaded if one), summary=summary)

    def _load_summary(self, number: int, session: Session) -> Segment | None:
        """Take the summary of a session into a table.

        Raises:
            CaptureError: it cannot be read.
            ChangedError: it is about more segments now than those that were left out.
            FormatError: it was replaced by a damaged one.
        """
        summary = session.summary
        if summary:
            query = f"CREATE TABLE {summary_table(number)} AS {summary_rows(number, summary)}"
            try:
                self._run(summary.path, query)
            except CaptureError:  # what DuckDB says of a file that is replaced under it
                with suppress(FormatError):
                    _refuse_replaced(summary.path, session)
                raise
            _refuse_replaced(summary.path, session)
        return summary

    def _load(self, number: int, segment: Segment) -> Segment:
        """Take the events of a segment, if it is being written, into a table.

        Raises:
            CaptureError: a column is of a type that DuckDB does not know.
        """
        if segment.unsealed is None or not segment.rows:
            return segment
        events = pa.Table.from_batches(segment.unsealed.batches)
        places = [str(place) for place in range(events.num_columns)]
        with self.reading():
            try:
                self.database.register("arrow_events", events.rename_columns(places))
                self.database.execute(
                    f"CREATE TABLE {open_table(number, segment)} AS SELECT * FROM arrow_events"
                )
            except duckdb.NotImplementedException as error:
                raise CaptureError(f"{segment.path} cannot be read: {first_line(error)}") from error
            self.database.unregister("arrow_events")
        return segment

    def rows_from(self, positions: Mapping[Key, int]) -> str:
        """The query for all rows but those of segments that end before ``positions``.

        Args:
            positions: a seq by host and id of a session.
        """
        queries: list[str] = []
        for number, session in enumerate(self.sessions_found):
            position = positions.get(session.key, 0)
            of_session = segment_rows(number, session.segments, position)
            queries += map(_with_cgroup if not session.lists_containers else str, of_session)
        return " UNION ALL ".join(queries or [no_rows()])

    def rows_in_parts(self, positions: Mapping[Key, int], rows: int) -> Iterator[str]:
        """Queries for the same rows, each for about so many; more only of a segment with gaps."""
        queries: list[str] = []
        size = 0
        for number, session in enumerate(self.sessions_found):
            position = positions.get(session.key, 0)
            for before, segments in _parts(session.segments, rows):
                part = segment_rows(number, segments, position, before)
                part = [one if session.lists_containers else _with_cgroup(one) for one in part]
                held = sum(one.rows for one in segments)
                if queries and size + held > rows:
                    yield " UNION ALL ".join(queries)
                    queries, size = [], 0
                if held > rows and segments[0].dense_range:
                    yield from _cut(part, segments[0].dense_range, rows)
                else:
                    queries += part
                    size += held
        if queries:
            yield " UNION ALL ".join(queries)

    def _summary_rows(self) -> str:
        queries = [
            (_with_cgroup if not one.lists_containers else str)(f"FROM {summary_table(number)}")
            for number, one in enumerate(self.sessions_found)
            if one.summary
        ]
        return " UNION ALL ".join(queries or [no_rows(SUMMARY)])

    def _fill_tables(self) -> None:
        numbers = self._container_numbers()
        for number, session in enumerate(self.sessions_found):
            self._insert("sessions", [_session_row(number, session)])
            self._insert("losses", [(number, *loss) for loss in session.losses.items()])
            rows = [
                (
                    number,
                    one.cgroup_id,
                    numbers[self._identity(session, one)],
                    one.name,
                    one.running,
                )
                for one in session.containers
            ]
            self._insert("container_cgroups", rows)
            mounts = [
                (number, numbers[self._identity(session, one)], *mount)
                for one in session.containers
                for mount in one.mounts
            ]
            self._insert("mounts", mounts)
        known = {
            self._identity(session, one): one
            for session in reversed(self.sessions_found)
            for one in session.containers
        }
        self._insert(
            "containers",
            [_container_row(numbers[identity], identity, one) for identity, one in known.items()],
        )

    def _identity(self, session: Session, container: Container) -> _Identity:
        """What two sessions must agree on for a container to be the same one.

        cgroup ids repeat across boots and hosts (docs/format.md); where the boot is not known,
        sessions share no container.
        """
        digest = digest_of(container.image_digest)
        if self.by_image and digest:
            return 0, "", "", digest
        boot = session.boot_id or f"session {session.session_id}"
        return container.cgroup_id, session.host, boot, container.cgroup_path

    def _container_numbers(self) -> dict[_Identity, int]:
        """A number for each container, in the order of reports: by cgroup id."""
        first: dict[_Identity, int] = {}
        for session in self.sessions_found:
            for one in session.containers:
                first.setdefault(self._identity(session, one), one.cgroup_id)
        ordered = sorted(first, key=lambda identity: (first[identity], identity))
        return {identity: number for number, identity in enumerate(ordered)}

    def _insert(self, table: str, rows: Sequence[tuple[object, ...]]) -> None:
        if rows:
            places = ", ".join("?" for _ in rows[0])
            self.database.executemany(f"INSERT INTO {table} VALUES ({places})", rows)


def _refuse_replaced(summary: Path, session: Session) -> None:
    """Refuse a summary that is about more segments by now than ``session`` is without.

    Raises:
        ChangedError: it is.
        FormatError: it is damaged.
    """
    if read_dropped(session.directory, {}).last_segment > session.dropped.last_segment:
        raise ChangedError(f"{summary} was replaced while it was read: try again")


def _parts(segments: Iterable[Segment], rows: int) -> Iterator[tuple[int, list[Segment]]]:
    """Segments in lists of up to ``rows`` rows, or of one, each with the rows before it."""
    before, size = 0, 0
    part: list[Segment] = []
    for segment in segments:
        if part and size + segment.rows > rows:
            yield before, part
            before, size, part = before + size, 0, []
        part.append(segment)
        size += segment.rows
    if part:
        yield before, part


def _cut(queries: Iterable[str], seqs: tuple[int, int], rows: int) -> Iterator[str]:
    """Queries for the rows of a segment whose first and last seq are given, some at a time."""
    for query in queries:
        for first in range(seqs[0], seqs[1] + 1, rows):
            yield f"SELECT * FROM ({query}) WHERE seq >= {first} AND seq < {first + rows}"


def _with_cgroup(query: str) -> str:
    """Rows of a session that says nothing of containers: one without a cgroup is of cgroup 0."""
    return f"SELECT * REPLACE (coalesce(cgroup_id, 0::UBIGINT) AS cgroup_id) FROM ({query})"


def _paths(given: str | PathLike[str] | Sequence[str | PathLike[str]]) -> list[Path]:
    listed = [given] if isinstance(given, str | PathLike) else given
    if isinstance(listed, bytes) or not isinstance(listed, Iterable):
        raise OptionError(f"a capture is named by a path, and not by {given!r}")
    paths = list(listed)
    for one in paths:
        if not isinstance(one, str | PathLike) or one == "":
            raise OptionError(f"a capture is named by a path, and not by {one!r}")
    return [Path(one) for one in paths]


def _connect(memory_limit: str, temporary: str | PathLike[str] | None) -> duckdb.DuckDBPyConnection:
    place = temporary or Path(gettempdir()) / f"snoop-analyze-{uuid4().hex}"
    limit = _utf8("memory_limit", memory_limit)
    directory = _utf8("the directory for temporary files (temporary, TMPDIR)", place)
    try:
        database = duckdb.connect(config={"memory_limit": limit, "temp_directory": directory})
        query = "SELECT parse_formatted_bytes(current_setting('memory_limit'))"
        ((bytes_,),) = database.execute(query).fetchall()
    except duckdb.OutOfMemoryException:
        bytes_ = 0
    except duckdb.Error as error:
        raise OptionError(
            f"memory_limit cannot be {memory_limit!r}: {first_line(error)}"
        ) from error
    if bytes_ < _LEAST_MEMORY:
        raise OptionError(
            f"memory_limit cannot be {memory_limit!r}: it has to be at least "
            f"{_LEAST_MEMORY >> 20}MiB"
        )
    database.execute("SET GLOBAL TimeZone = 'UTC'; SET autoinstall_known_extensions = false")
    return database


def _utf8(name: str, value: object) -> str:
    """``value`` as DuckDB takes it."""
    try:
        return str(value).encode().decode()
    except UnicodeEncodeError:
        raise OptionError(f"{name} cannot be {str(value)!r}: it is not UTF-8") from None


def _time(name: str, value: datetime | str | None) -> datetime | None:
    time: object = value
    with suppress(ValueError):
        time = datetime.fromisoformat(value) if isinstance(value, str) else value
    if not isinstance(time, datetime | None):
        raise OptionError(
            f"{name} is {value!r}, which is no time; write it as 2026-01-31T12:00:00Z"
        )
    return time.replace(tzinfo=UTC) if time and time.tzinfo is None else time


def _session_row(number: int, session: Session) -> tuple[object, ...]:
    return (
        number,
        session.session_id,
        str(session.directory),
        session.host,
        session.boot_id,
        session.pod_name,
        session.namespace,
        session.started_at,
        session.ended_at,
        session.recovered_at,
        list(session.command) or None,
        len(session.segments),
        session.rows,
        sum(one.torn_bytes for one in session.segments),
        session.dropped.rows,
        session.dropped.summarized_rows,
    )


def _container_row(number: int, identity: _Identity, container: Container) -> tuple[object, ...]:
    return (
        number,
        container.cgroup_id,
        container.name,
        container.cgroup_path,
        container.image,
        container.image_digest,
        repr(identity),
    )
