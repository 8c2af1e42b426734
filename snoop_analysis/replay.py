# SPDX-License-Identifier: Apache-2.0
"""The replay: normalise, exclude, de-duplicate, count."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from snoop_analysis.breakdown import breakdown
from snoop_analysis.carrying import insert, leave, take_up
from snoop_analysis.display.descriptions import of_replay
from snoop_analysis.errors import OptionError
from snoop_analysis.lru import Lru
from snoop_analysis.ordering import OutOfOrderError, in_order
from snoop_analysis.report import Report
from snoop_analysis.reporting import make_report
from snoop_analysis.sqltext import statement

if TYPE_CHECKING:
    from snoop_analysis.capture import Capture
    from snoop_analysis.plotting.plots import Plots
    from snoop_analysis.settings import Settings
    from snoop_analysis.state import State

_numbers = count(1)


class Replay:
    """One replay of a capture, done when made; its relations belong to it alone.

    Args:
        capture: what to replay.
        settings: how.

    Raises:
        OptionError: a setting with a value it cannot have.
        CaptureError: a segment turns out to be damaged.
    """

    def __init__(self, capture: Capture, settings: Settings, state: State | None = None) -> None:
        if state is not None and state.settings != settings:
            raise OptionError("a replay can only go on with the settings it began with")
        self.capture = capture
        self.settings = settings
        self._begun = state
        self._schema = f"replay_{next(_numbers)}"
        capture.database.execute(f"CREATE SCHEMA {self._schema}")
        self._database = self._connect()
        self._check_containers()
        self._caches: dict[int, Lru] = {}
        self._knows_new_events = False
        with self.capture.reading():
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
        """Every event with its ``file`` and ``result``, lazily, in no particular order."""
        return self.query(
            f"SELECT * EXCLUDE (lookup_no, container_no, kind) FROM {self.results_view()}"
        )

    def breakdown(self, *keys: str) -> duckdb.DuckDBPyRelation:
        """Counts by keys, ``syscall`` or ``directory:2`` for one; see ``breakdown``.

        Raises:
            OptionError: there is no such key.
        """
        return breakdown(self, keys)

    @property
    def plot(self) -> Plots:
        """Pictures: ``replay.plot.timeline()`` and others, Vega-Altair charts; see ``Plots``."""
        from snoop_analysis.plotting.plots import Plots

        return Plots(self)

    def __repr__(self) -> str:
        return of_replay(self).text()

    def _repr_html_(self) -> str:
        return of_replay(self).html()

    def results_view(self) -> str:
        """Name of the view of results, which is complete from now on."""
        if self._caches and not self._knows_new_events:
            self._run_lru(keep_new_events=True)
        return "results"

    def report(self) -> Report:
        """The report: the files, and how complete they are."""
        return make_report(self)

    def query(self, sql: str) -> duckdb.DuckDBPyRelation:
        """A query over the tables of the replay and of the capture."""
        return self._database.sql(sql)

    def execute(self, sql: str) -> None:
        """Run a statement over the tables of the replay.

        Raises:
            CaptureError: a segment turns out to be damaged.
        """
        with self.capture.reading():
            self._database.execute(sql)

    def add_table(self, name: str, rows: pa.Table) -> None:
        """Give the queries of this replay another table."""
        self._database.register(name, rows)

    def close(self) -> None:
        """Drop the tables of this replay; its relations cannot be read any more."""
        self._database.close()
        self.capture.database.execute(f"DROP SCHEMA {self._schema} CASCADE")

    def _connect(self) -> duckdb.DuckDBPyConnection:
        connection = self.capture.connect()
        connection.execute(f"SET search_path = '{self._schema},main'")
        return connection

    @property
    def state(self) -> State:
        """Where this replay ended, for another to go on."""
        return leave(self)

    def _check_containers(self) -> None:
        """A container that is asked for and not there is a mistake, not an empty answer."""
        rows = self._database.execute("SELECT cgroup_id, name FROM containers").fetchall()
        known = {value for row in rows for value in row}
        for one in self.settings.containers or ():
            if one not in known:
                names = ", ".join(sorted({name for _, name in rows}))
                raise OptionError(f"there is no container {one!r}; there are {names}")

    def _replay(self) -> None:
        settings = self.settings
        self._database.execute(
            f"CREATE MACRO is_excluded(file) AS {settings.excluded()};"
            f"CREATE VIEW chosen AS SELECT * FROM containers WHERE {settings.container_test()};"
            f"CREATE VIEW selected AS SELECT * FROM rows WHERE {' AND '.join(self._row_tests())}"
        )
        self._database.execute(statement("carried"))
        if self._begun is not None:
            take_up(self._database, self._begun)
        self._database.execute(statement("replay"))
        self._database.execute(statement("bounded"))
        if settings.max_unique_files:
            self._bound(settings.max_unique_files)
        self._database.execute(statement("outcome"))

    def _row_tests(self) -> list[str]:
        """SQL conditions that every row of this replay meets."""
        tests = ["TRUE", *self.settings.row_tests()]
        if self.settings.containers is not None:
            tests.append(
                "(session_no, cgroup_id) IN (SELECT (session_no, cgroup_id) "
                "FROM container_cgroups SEMI JOIN chosen USING (container_no))"
            )
        positions = self._begun.positions if self._begun else {}
        for number, key in enumerate(self.capture.session_keys()):
            position = positions.get(key)
            if position is not None:
                tests.append(f"(session_no <> {number} OR seq >= {position})")
        return tests

    def _bound(self, capacity: int) -> None:
        """Put the containers with more files than ``capacity`` through the LRU."""
        self._database.execute(
            "INSERT INTO over_bound SELECT container_no, count(*) FROM files "
            "GROUP BY container_no HAVING count(*) > $capacity",
            {"capacity": capacity},
        )
        self._run_lru(keep_new_events=False)
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
        accesses = statement("accesses").rstrip(";\n")
        try:
            self._run_lru_over(accesses, keep_new_events)
        except OutOfOrderError:
            self._run_lru_over(f"{accesses} ORDER BY session_no, seq", keep_new_events)
        self._knows_new_events = keep_new_events

    def _run_lru_over(self, accesses: str, keep_new_events: bool) -> None:
        sizes = self._database.execute("SELECT container_no, files FROM over_bound").fetchall()
        capacity = self.settings.max_unique_files
        self._caches = {number: Lru(capacity, files) for number, files in sizes}
        if not sizes:
            return
        for number, cache in self._caches.items():
            cache.recent = self._carried(number)
        writer = self._connect()
        writer.execute("DELETE FROM new_events")
        for batch in in_order(self._connect(), accesses):
            missed = self._access(batch)
            if keep_new_events:
                new = batch.filter(missed)
                insert(writer, "new_events SELECT session_no, seq FROM inserted", new)

    def _carried(self, container_no: int) -> NDArray[np.int64]:
        """The files a container's LRU begins with, least recently used first."""
        rows = self.query(
            f"SELECT file_no FROM files WHERE container_no = {container_no} AND first_access < 0 "
            "ORDER BY first_access"
        ).to_arrow_table()
        return np.asarray(rows.column("file_no"), np.int64)

    def _access(self, batch: pa.Table) -> pa.Array:
        """Replay a batch of accesses; which of them missed."""
        containers = batch.column("container_no").to_numpy()
        files = batch.column("file_no").to_numpy()
        missed = np.zeros(len(files), np.bool_)
        for number, cache in self._caches.items():
            own = containers == number
            missed[own] = cache.access(files[own])
        return pa.array(missed)
