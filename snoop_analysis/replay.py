# SPDX-License-Identifier: Apache-2.0
"""The replay: normalise, exclude, de-duplicate, count."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, Final

import duckdb
import numpy as np
import pyarrow as pa

from snoop_analysis.breakdown import breakdown
from snoop_analysis.errors import CaptureError, OptionError
from snoop_analysis.lru import Lru
from snoop_analysis.names import name_of
from snoop_analysis.report import Report
from snoop_analysis.reporting import make_report
from snoop_analysis.sqltext import any_of, literal, statement

if TYPE_CHECKING:
    from snoop_analysis.capture import Capture

DEFAULT_EXCLUDE: Final = ("/proc/", "/sys/", "/dev/")

_BATCH: Final = 1 << 20
_numbers = count(1)


@dataclass(frozen=True, slots=True)
class Settings:
    """What a replay is asked for.

    Args:
        exclude: prefixes of normalised paths; an empty one is none.
        max_unique_files: files the LRU of a container holds; 0: all.
        syscalls: events of these calls alone; null: of all.
    """

    exclude: tuple[str, ...] = DEFAULT_EXCLUDE
    max_unique_files: int = 0
    syscalls: tuple[str, ...] | None = None

    def condition(self) -> str:
        """The SQL condition for the rows this replay is about."""
        if self.syscalls is None:
            return "TRUE"
        return any_of([f"syscall = {literal(name)}" for name in self.syscalls])

    def excluded(self) -> str:
        """The SQL condition for a name ``file`` that is excluded."""
        prefixes = [literal(name_of(prefix)) for prefix in self.exclude if prefix]
        return any_of([f"starts_with(file, {prefix})" for prefix in prefixes])


class Replay:
    """One replay of a capture, done when made; its relations belong to it alone.

    Args:
        capture: what to replay.
        settings: how.

    Raises:
        OptionError: a setting with a value it cannot have.
        CaptureError: a segment turns out to be damaged.
    """

    def __init__(self, capture: Capture, settings: Settings) -> None:
        if settings.max_unique_files < 0:
            raise OptionError("max_unique_files cannot be negative; 0 means no bound")
        self.capture = capture
        self.settings = settings
        self._schema = f"replay_{next(_numbers)}"
        capture.database.execute(f"CREATE SCHEMA {self._schema}")
        self._database = self._connect()
        self._caches: dict[int, Lru] = {}
        self._knows_new_events = False
        try:
            self._replay()
        except duckdb.Error as error:
            raise CaptureError(f"the capture could not be read to its end: {error}") from error

    @property
    def stats(self) -> duckdb.DuckDBPyRelation:
        """received, new, duplicate, … by container; columns in ``sql/outcome.sql``."""
        return self._database.sql("SELECT * FROM stats ORDER BY container_no")

    @property
    def results(self) -> duckdb.DuckDBPyRelation:
        """Every event with its ``file`` and ``result``, lazily, in no particular order."""
        return self.query(f"SELECT * FROM {self.results_view()}")

    def breakdown(self, *keys: str) -> duckdb.DuckDBPyRelation:
        """Counts by keys, ``syscall`` or ``directory:2`` for one; see ``breakdown``.

        Raises:
            OptionError: there is no such key.
        """
        return breakdown(self, keys)

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

    def _connect(self) -> duckdb.DuckDBPyConnection:
        connection = self.capture.database.cursor()
        connection.execute(f"SET search_path = '{self._schema},main'")
        return connection

    def _replay(self) -> None:
        self._database.execute(
            f"CREATE MACRO is_excluded(file) AS {self.settings.excluded()};"
            f"CREATE VIEW selected AS SELECT * FROM rows WHERE {self.settings.condition()}"
        )
        self._database.execute(statement("replay"))
        self._database.execute(statement("bounded"))
        if self.settings.max_unique_files:
            self._bound(self.settings.max_unique_files)
        self._database.execute(statement("outcome"))

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
            kept = pa.table({"file_no": cache.recent})
            _insert(self._database, f"kept SELECT {number}, file_no", kept)

    def _run_lru(self, keep_new_events: bool) -> None:
        sizes = self._database.execute("SELECT container_no, files FROM over_bound").fetchall()
        capacity = self.settings.max_unique_files
        self._caches = {number: Lru(capacity, files) for number, files in sizes}
        if not sizes:
            return
        writer = self._connect()
        for batch in self._database.sql(statement("accesses")).to_arrow_reader(_BATCH):
            missed = self._access(batch)
            if keep_new_events:
                _insert(writer, "new_events SELECT session_no, seq", batch.filter(missed))
        self._knows_new_events = keep_new_events

    def _access(self, batch: pa.RecordBatch) -> pa.Array:
        """Replay a batch of accesses; which of them missed."""
        containers = batch.column("container_no").to_numpy()
        files = batch.column("file_no").to_numpy()
        missed = np.zeros(len(files), np.bool_)
        for number, cache in self._caches.items():
            own = containers == number
            missed[own] = cache.access(files[own])
        return pa.array(missed)


def _insert(
    connection: duckdb.DuckDBPyConnection, target: str, rows: pa.Table | pa.RecordBatch
) -> None:
    """INSERT INTO ``target``, which ends in what to select from ``rows``."""
    table = rows if isinstance(rows, pa.Table) else pa.Table.from_batches([rows])
    connection.register("inserted", table)
    connection.execute(f"INSERT INTO {target} FROM inserted")
    connection.unregister("inserted")
