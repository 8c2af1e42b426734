# SPDX-License-Identifier: Apache-2.0
"""The replay: normalise, exclude, de-duplicate, count."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from itertools import count
from typing import TYPE_CHECKING, Final

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from snoop_analysis.breakdown import breakdown
from snoop_analysis.carrying import insert, leave, take_up
from snoop_analysis.display.descriptions import of_replay
from snoop_analysis.errors import ClosedError, OptionError
from snoop_analysis.lru import Lru
from snoop_analysis.ordering import OutOfOrderError, in_order, sorted_by_database
from snoop_analysis.querying import relation_of
from snoop_analysis.report import Report
from snoop_analysis.reporting import make_report
from snoop_analysis.sequence import Sequence, sequence
from snoop_analysis.sqltext import any_of, statement
from snoop_analysis.state import obstacle
from snoop_format.calls import CALLS

if TYPE_CHECKING:
    from snoop_analysis.capture import Capture
    from snoop_analysis.plotting.plots import Plots
    from snoop_analysis.sessions import Key
    from snoop_analysis.settings import Settings
    from snoop_analysis.state import State

_numbers = count(1)

# Events that are looked up at a time: so many that to make ready what they are looked up in is
# little beside that, and so few that two such parts are some 200 MB.
_PART: Final = 1 << 22

RESULT_COLUMNS: Final = "* EXCLUDE (lookup_no, container_no, kind, rest_of_name)"
"""What of a row of ``results`` is for people."""

_REST_OF_NAME: Final = (
    "rest_of_name(path, path_bytes, base, base_bytes, real_path, real_path_bytes, note, "
    "syscall, path_role) AS rest_of_name"
)


class Replay:
    """One replay of a capture, done when made; its relations belong to it alone.

    One that went on from a state has read new events alone. Its report and its ``stats`` are those
    of all events, and so are the names and numbers of its ``files``, and whether a result is new;
    all else it tells is about the new events.

    Args:
        capture: what to replay.
        settings: how.

    Attributes:
        sequences: what is wrong with the sequence numbers of each session.

    Raises:
        OptionError: a setting with a value it cannot have.
        CaptureError: a segment turns out to be damaged.
    """

    def __init__(self, capture: Capture, settings: Settings, state: State | None = None) -> None:
        if state is not None:
            if state.settings != settings:
                raise OptionError("a replay can only go on with the settings it began with")
            changed = obstacle(state, capture)
            if changed:
                raise OptionError(f"the replay cannot go on: {changed}")
        self.capture = capture
        self.settings = settings
        self._begun = state
        self._schema = f"replay_{next(_numbers)}"
        self._caches: dict[int, Lru] = {}
        self._knows_new_events = False
        with capture.changing():
            capture.database.execute(f"CREATE SCHEMA {self._schema}")
            self._database = self._connect(capture.database)
            self._check_syscalls()
            self.sequences = self._sequences()
            self._replay()

    @property
    def stats(self) -> duckdb.DuckDBPyRelation:
        """received, new, duplicate, … by container; columns in ``sql/outcome.sql``."""
        return self.query("SELECT * FROM stats ORDER BY container_no NULLS LAST")

    @property
    def files(self) -> duckdb.DuckDBPyRelation:
        """The files: container, path, first_seen, last_seen, events, hits, misses, syscalls.

        Of a replay that went on from a state, times and calls are those since then.
        """
        return self.query("SELECT * FROM file_details")

    @property
    def results(self) -> duckdb.DuckDBPyRelation:
        """Every event with its ``file`` and ``result``, lazily, in no particular order.

        Events of removed segments are not among them: they are gone. Nor are, of a replay that
        went on from a state, those before it.
        """
        return self.query(f"SELECT {RESULT_COLUMNS} FROM {self.results_view()}")

    def breakdown(self, *keys: str) -> duckdb.DuckDBPyRelation:
        """Counts by keys, ``syscall`` or ``directory:2`` for one; see ``breakdown``.

        Of a replay that went on from a state, they are those of the events since then.

        Raises:
            OptionError: there is no such key.
        """
        return breakdown(self, keys)

    @property
    def plot(self) -> Plots:
        """Pictures: ``replay.plot.timeline()`` and others, Vega-Altair charts; see ``Plots``.

        Of a replay that went on from a state, those of calls are about the calls since then.
        """
        from snoop_analysis.plotting.plots import Plots

        return Plots(self)

    def __repr__(self) -> str:
        return of_replay(self).text()

    def _repr_html_(self) -> str:
        return of_replay(self).html()

    def results_view(self) -> str:
        """Name of the view of results, which is complete from now on."""
        with self.capture.changing():
            if self._caches and not self._knows_new_events:
                self._run_lru(keep_new_events=True)
        return "results"

    def report(self) -> Report:
        """The report: the files, and how complete they are."""
        return make_report(self)

    def check_has_all_events(self, what: str) -> None:
        """Refuse to make ``what``, which would silently lack what earlier events tell.

        Raises:
            OptionError: this replay went on from a state.
        """
        if self._begun is not None:
            raise OptionError(
                f"{what} cannot be made of a replay that went on from a state, which has read new "
                "events alone: replay the capture without state"
            )

    def query(self, sql: str) -> duckdb.DuckDBPyRelation:
        """A query over the tables of the replay and of the capture.

        It has a connection of its own: one that is being read stops no other.

        Raises:
            OptionError: it is no SELECT, or several.
            CaptureError: DuckDB does not understand it (the message is DuckDB's), a segment turns
                out to be damaged, or the replay or its capture is closed.
        """
        with self.capture.reading():
            return relation_of(self._connect(self._database), sql)

    def execute(self, sql: str) -> None:
        """Run a statement over the tables of the replay.

        Raises:
            CaptureError: a segment turns out to be damaged.
        """
        with self.capture.changing():
            self._database.execute(sql)

    def add_table(self, name: str, rows: pa.Table) -> None:
        """Give the queries of this replay another table, in place of one of that name."""
        with self.capture.changing():
            self._database.register("inserted", rows)
            self._database.execute(f"CREATE OR REPLACE TABLE {name} AS FROM inserted")
            self._database.unregister("inserted")

    def _sequences(self) -> dict[Key, Sequence]:
        """What is wrong with the sequence numbers of each session."""
        before = self._begun.sequences if self._begun else {}
        found: dict[Key, Sequence] = {}
        for number, session in enumerate(self.capture.sessions_found):
            known = before.get(session.key, Sequence())
            new = sequence(self.capture, number, self._positions.get(session.key))
            found[session.key] = Sequence(
                known.missing + new.missing, known.repeated + new.repeated
            )
        return found

    def close(self) -> None:
        """Drop the tables of this replay; its relations cannot be read any more."""
        self._database.close()
        with suppress(ClosedError), self.capture.changing():  # closed, and with it all tables gone
            self.capture.database.execute(f"DROP SCHEMA IF EXISTS {self._schema} CASCADE")

    def _connect(self, other: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
        connection = self.capture.connect(other)
        connection.execute(f"SET search_path = '{self._schema},main'")
        return connection

    @property
    def state(self) -> State:
        """Where this replay ended, for another to go on."""
        return leave(self)

    def _chosen_containers(self) -> str:
        """The SQL condition for a row of ``containers`` that is chosen, by any name it had.

        Raises:
            OptionError: one that is asked for is not there: a mistake, not an empty answer.
        """
        if self.settings.containers is None:
            return "TRUE"
        query = "SELECT container_no, cgroup_id, name FROM container_cgroups"
        rows = self._database.execute(query).fetchall()
        chosen: set[int] = set()
        for one in self.settings.containers:
            numbers = {number for number, *known in rows if one in known}
            numbers = numbers or {number for number, cgroup_id, _ in rows if one == str(cgroup_id)}
            if not numbers:
                names = ", ".join(sorted({name for _, _, name in rows}))
                raise OptionError(f"there is no container {one!r}; there are {names}")
            chosen |= numbers
        return any_of([f"container_no = {number}" for number in sorted(chosen)])

    def _check_syscalls(self) -> None:
        """A call that neither recorders nor this capture know is a mistake, too."""
        unknown = set(self.settings.syscalls or ()) - CALLS
        if not unknown:
            return
        query = " UNION ".join(
            f"SELECT syscall FROM {table} WHERE syscall IS NOT NULL"
            for table in ("rows", "summary_rows")
        )
        seen = {name for (name,) in self._database.execute(query).fetchall()}
        if unknown - seen:
            names = ", ".join(sorted(seen)) or "none"
            raise OptionError(
                f"there is no system call {min(unknown - seen)!r}; the capture has {names}"
            )

    def _replay(self) -> None:
        settings = self.settings
        rows = f"({self.capture.rows_from(self._positions)})" if self._begun else "rows"
        chosen = self._container_test()
        sessions = any_of([f"session_no = {number}" for number in self._summaries])
        summary_tests = [chosen, sessions, *settings.summary_tests()]
        self._database.execute(
            f"CREATE MACRO is_excluded(file) AS {settings.excluded()};"
            f"CREATE MACRO may_be_outside(first, last) AS {settings.outside()};"
            f"CREATE VIEW chosen AS SELECT * FROM containers WHERE {self._chosen_containers()};"
            f"CREATE VIEW selected AS {self._selected(rows)};"
            f"CREATE VIEW selected_summaries AS SELECT *, {_REST_OF_NAME} FROM summary_rows "
            f"WHERE {' AND '.join(summary_tests)}"
        )
        self._database.execute(statement("carried"))
        if self._begun is not None:
            take_up(self._database, self._begun)
        grouped = "grouped_calls" if self._summaries else "grouped_events"
        self._database.execute(statement("replay").replace("/* grouped */", grouped))
        self._tell_names_apart()
        self._database.execute(statement("bounded"))
        if settings.max_unique_files:
            self._bound(settings.max_unique_files)
        self._database.execute(statement("outcome"))
        if self._may_repeat_seq:
            self._database.execute(statement("repeated"))

    def _tell_names_apart(self) -> None:
        """Compare names themselves where any two have one hash: hardly ever, unless on purpose."""
        query = "SELECT count(*) > count(DISTINCT name_key(lookups)) FROM lookups"
        ((same,),) = self._database.execute(query).fetchall()
        if same:
            self._database.execute(statement("exact_name_key"))

    def _selected(self, rows: str) -> str:
        """The query for the events of this replay among ``rows``."""
        dated = self.capture.is_dated
        tests = [self._container_test(), *self._position_tests(), *self.settings.event_tests(dated)]
        return f"SELECT *, {_REST_OF_NAME} FROM {rows} WHERE {' AND '.join(tests)}"

    @property
    def _positions(self) -> Mapping[Key, int]:
        """Up to which seq sessions have been replayed."""
        return self._begun.positions if self._begun else {}

    @property
    def _summaries(self) -> list[int]:
        """Numbers of the sessions whose summary this replay reads.

        Where it goes on, that of a session it knows tells only what was replayed as events.
        """
        return [
            number
            for number, session in enumerate(self.capture.sessions_found)
            if session.summary and session.key not in self._positions
        ]

    @property
    def _may_repeat_seq(self) -> bool:
        """Whether events of one session may have the same seq.

        Then which of them came first is not known, and another run of the LRU may find otherwise.
        """
        repeated = any(one.repeated for one in self.sequences.values())
        return repeated or any(one.is_partly_numbered for one in self.capture.sessions_found)

    def _container_test(self) -> str:
        """The SQL condition for a row of a container that is chosen."""
        if self.settings.containers is None:
            return "TRUE"
        return (
            "(session_no, cgroup_id) IN (SELECT (session_no, cgroup_id) "
            "FROM container_cgroups SEMI JOIN chosen USING (container_no))"
        )

    def _position_tests(self) -> list[str]:
        """SQL conditions that every event meets that is not yet replayed."""
        return [
            f"(session_no <> {number} OR seq >= {self._positions[session.key]})"
            for number, session in enumerate(self.capture.sessions_found)
            if session.key in self._positions
        ]

    def _bound(self, capacity: int) -> None:
        """Put the containers with more files than ``capacity`` through the LRU."""
        self._database.execute(
            "INSERT INTO over_bound SELECT container_no, count(*) FROM files "
            "GROUP BY container_no HAVING count(*) > $capacity",
            {"capacity": capacity},
        )
        self._run_lru(keep_new_events=self._may_repeat_seq)
        for number, cache in self._caches.items():
            self._database.execute(
                "INSERT INTO bounded VALUES (?, ?, ?)", [number, cache.misses, cache.evicted]
            )
            kept = pa.table({"file_no": cache.recent, "place": np.arange(len(cache.recent))})
            insert(self._database, f"kept SELECT {number}, file_no, place FROM inserted", kept)

    def _run_lru(self, keep_new_events: bool) -> None:
        """Run the accesses through the LRUs.

        Recorders write events in order: there is little to sort, unless another program wrote the
        capture otherwise.
        """
        sizes = self._database.execute("SELECT container_no, files FROM over_bound").fetchall()
        if not sizes:
            return
        self._database.execute(statement("wanted"))
        try:
            self._run_lru_over(sizes, self._accesses_in_parts(), keep_new_events)
        except OutOfOrderError:
            query = _accesses("selected")
            whole = sorted_by_database(self._connect(self._database), query)
            self._run_lru_over(sizes, whole, keep_new_events)
        self._database.execute("DROP TABLE wanted")
        self._knows_new_events = keep_new_events

    def _accesses_in_parts(self) -> Iterator[pa.Table]:
        """The accesses as the files have them.

        Raises:
            OutOfOrderError: that is not the replay order, or they hold too much at once.
        """
        segments = [one for session in self.capture.sessions_found for one in session.segments]
        if any(one.rows > _PART and one.dense_range is None for one in segments):
            raise OutOfOrderError
        parts = self.capture.rows_in_parts(self._positions, _PART)
        queries = (_accesses(f"({self._selected(f'({rows})')})") for rows in parts)
        return in_order(self._connect(self._database), queries)

    def _run_lru_over(
        self, sizes: list[tuple[int, int]], accesses: Iterator[pa.Table], keep_new_events: bool
    ) -> None:
        capacity = self.settings.max_unique_files
        self._caches = {number: Lru(capacity, files) for number, files in sizes}
        for number, cache in self._caches.items():
            cache.recent = self._carried(number)
        writer = self._connect(self._database)
        writer.execute("DELETE FROM new_events")
        for piece in self._with_summaries(accesses):
            if keep_new_events and "seq" in piece.column_names:
                missed = np.zeros(len(piece), np.bool_)
                self._access(piece, missed)
                new = piece.filter(pa.array(missed))
                columns = "session_no, seq, container_no, file_no"
                insert(writer, f"new_events SELECT {columns} FROM inserted", new)
            else:
                self._access(piece)

    def _with_summaries(self, accesses: Iterator[pa.Table]) -> Iterator[pa.Table]:
        """The accesses in replay order, in pieces.

        What a summary tells, which has no seq, comes before the events of its session.
        """
        summaries = self._summaries
        for piece in accesses:
            sessions = piece.column("session_no").to_numpy()
            while summaries and summaries[0] <= sessions[-1]:
                begin = int(np.searchsorted(sessions, summaries[0]))
                yield piece.slice(0, begin)
                yield self._summary_accesses(summaries.pop(0))
                piece, sessions = piece.slice(begin), sessions[begin:]
            yield piece
        yield from map(self._summary_accesses, summaries)

    def _summary_accesses(self, session_no: int) -> pa.Table:
        accesses = statement("summary_accesses").replace("$session_no", str(session_no))
        return self.query(accesses).to_arrow_table()

    def _carried(self, container_no: int) -> NDArray[np.int64]:
        """The files a container's LRU begins with, least recently used first."""
        rows = self.query(
            f"SELECT file_no FROM files WHERE container_no = {container_no} AND first_access < 0 "
            "ORDER BY first_access"
        ).to_arrow_table()
        return np.asarray(rows.column("file_no"), np.int64)

    def _access(self, batch: pa.Table, missed: NDArray[np.bool_] | None = None) -> None:
        """Replay a batch of accesses; ``missed`` is told which of them did."""
        containers = batch.column("container_no").to_numpy()
        files = batch.column("file_no").to_numpy()
        for number, cache in self._caches.items():
            own = containers == number
            misses = cache.access(files[own])
            if missed is not None:
                missed[own] = misses


def _accesses(events: str) -> str:
    """The query for the accesses that ``events``, a view or a query in parentheses, holds."""
    return statement("accesses").rstrip(";\n").replace("/* events */", events)
