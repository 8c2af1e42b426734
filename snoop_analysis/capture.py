# SPDX-License-Identifier: Apache-2.0
"""The only door from a recording to anything that is said about it."""

from collections.abc import Sequence
from os import PathLike
from pathlib import Path

import duckdb
import pyarrow as pa

from snoop_analysis.errors import CaptureError
from snoop_analysis.replay import Replay, Settings
from snoop_analysis.rows import no_rows, sealed_rows, table_rows
from snoop_analysis.sessions import Container, Segment, Session, find_sessions
from snoop_analysis.sqltext import statement


class Capture:
    """A capture: one session directory, or a directory that holds several.

    Opening reads the sessions' metadata and the segments' footers; events stay on the disk until
    a query asks for them (those of a segment that is still being written are read at once).

    Args:
        path: the directory, or several.

    Attributes:
        sessions_found: the sessions, in replay order.

    Raises:
        CaptureError: there is no capture, or one that cannot be read.
    """

    def __init__(self, *path: str | PathLike[str]) -> None:
        self.paths = [Path(one) for one in path]
        self.sessions_found = [one for root in self.paths for one in find_sessions(root)]
        self.database = duckdb.connect()
        self.database.execute("SET TimeZone = 'UTC'")
        self.database.execute(statement("normalise"))
        self.database.execute(statement("tables"))
        self._fill_tables()
        self.database.execute(f"CREATE VIEW rows AS {self._rows()}")
        self.database.execute(statement("events"))

    @property
    def events(self) -> duckdb.DuckDBPyRelation:
        """Every event, lazily: the columns of the format, and those of ``sql/events.sql``."""
        return self.database.sql("SELECT * FROM events")

    @property
    def sessions(self) -> duckdb.DuckDBPyRelation:
        """The sessions, in replay order; columns in ``sql/tables.sql``."""
        return self.database.sql("SELECT * FROM sessions ORDER BY session_no")

    @property
    def containers(self) -> duckdb.DuckDBPyRelation:
        """The containers; columns in ``sql/tables.sql``."""
        return self.database.sql("SELECT * FROM containers ORDER BY container_no")

    @property
    def losses(self) -> duckdb.DuckDBPyRelation:
        """Calls without a row, by session and cause."""
        return self.database.sql("SELECT * FROM losses ORDER BY session_no, cause")

    def query(self, sql: str) -> duckdb.DuckDBPyRelation:
        """The result of any SELECT over ``events``, ``containers``, ``losses``, ``sessions``.

        Raises:
            CaptureError: DuckDB cannot answer it; the message is DuckDB's.
        """
        try:
            return self.database.sql(sql)
        except duckdb.Error as error:
            raise CaptureError(f"the query failed: {error}") from error

    def replay(
        self,
        exclude: Sequence[str] = ("/proc/", "/sys/", "/dev/"),
        max_unique_files: int = 0,
        syscalls: Sequence[str] | None = None,
    ) -> Replay:
        """Replay the recording: normalise, exclude, de-duplicate, count.

        Args:
            exclude: prefixes of normalised paths to leave out.
            max_unique_files: files the LRU of a container holds; 0: all.
            syscalls: take events of these calls alone; null: of all.

        Raises:
            OptionError: a setting with a value it cannot have.
            CaptureError: a segment turns out to be damaged.
        """
        return Replay(self, Settings(tuple(exclude), max_unique_files, _tuple(syscalls)))

    def _rows(self) -> str:
        queries: list[str] = []
        for number, session in enumerate(self.sessions_found):
            filled = [one for one in session.segments if one.rows]
            queries += sealed_rows(number, [one for one in filled if one.unsealed is None])
            queries += [self._load(number, one) for one in filled if one.unsealed is not None]
        return " UNION ALL ".join(queries or [no_rows()])

    def _load(self, session_no: int, segment: Segment) -> str:
        """Take the events of an open segment into DuckDB; the query for them."""
        assert segment.unsealed is not None
        table = f"open_{session_no}_{segment.number}"
        events = pa.Table.from_batches(segment.unsealed.batches)
        self.database.register("arrow_events", events)
        self.database.execute(f"CREATE TABLE {table} AS SELECT * FROM arrow_events")
        self.database.unregister("arrow_events")
        return table_rows(session_no, table, segment)

    def _fill_tables(self) -> None:
        numbers = _container_numbers(self.sessions_found)
        for number, session in enumerate(self.sessions_found):
            self._insert("sessions", [_session_row(number, session)])
            self._insert("losses", [(number, *loss) for loss in session.losses.items()])
            rows = [
                (number, one.cgroup_id, numbers[_identity(session, one)], one.name)
                for one in session.containers
            ]
            self._insert("container_cgroups", rows)
        known = {
            numbers[_identity(session, one)]: one
            for session in reversed(self.sessions_found)
            for one in session.containers
        }
        self._insert("containers", [_container_row(*item) for item in known.items()])

    def _insert(self, table: str, rows: Sequence[tuple[object, ...]]) -> None:
        if rows:
            places = ", ".join("?" for _ in rows[0])
            self.database.executemany(f"INSERT INTO {table} VALUES ({places})", rows)


_Identity = tuple[int, str, str, str]


def _tuple(values: Sequence[str] | None) -> tuple[str, ...] | None:
    return None if values is None else tuple(values)


def _identity(session: Session, container: Container) -> _Identity:
    """What two sessions must agree on for a container to be the same one.

    cgroup ids repeat across boots and hosts (architecture.md, "The capture on disk"); where the
    boot is not known, sessions share no container.
    """
    boot = session.boot_id or f"session {session.session_id}"
    return container.cgroup_id, session.host, boot, container.cgroup_path


def _container_numbers(sessions: Sequence[Session]) -> dict[_Identity, int]:
    identities = {_identity(session, one) for session in sessions for one in session.containers}
    return {identity: number for number, identity in enumerate(sorted(identities))}


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
        len(session.segments),
        sum(one.rows for one in session.segments),
        sum(one.unsealed.torn_bytes for one in session.segments if one.unsealed),
    )


def _container_row(number: int, container: Container) -> tuple[object, ...]:
    return (
        number,
        container.cgroup_id,
        container.name,
        container.cgroup_path,
        container.image,
        container.image_digest,
    )
