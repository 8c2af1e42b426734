# SPDX-License-Identifier: Apache-2.0
"""A progress bar for queries that take more than a second."""

import atexit
import sys
import threading
import time
from collections.abc import Sequence
from typing import Final
from weakref import ref

import duckdb

_PATIENCE: Final = 1.0  # seconds
_INTERVAL: Final = 0.2
_WIDTH: Final = 40


class ProgressBar:
    """Shows on standard error how far the running query of some connections is.

    Args:
        connections: looked at again each time; others may change it.
    """

    def __init__(self, connections: Sequence[ref[duckdb.DuckDBPyConnection]]) -> None:
        self._connections = connections
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        atexit.register(self.stop)

    def stop(self) -> None:
        """Look no more, and let go of the connections."""
        self._stopped.set()
        self._thread.join()
        self._connections = ()
        atexit.unregister(self.stop)

    def _run(self) -> None:
        began: float | None = None
        shown = False
        while not self._stopped.wait(_INTERVAL):
            done = max(map(_percent, list(self._connections)), default=-1.0)
            if done < 0:
                began = None
                if shown:
                    _write(" " * (_WIDTH + 8) + "\r")
                shown = False
                continue
            began = began or time.monotonic()
            if time.monotonic() - began > _PATIENCE:
                shown = True
                _write(f"{done:5.0f} % {'#' * int(_WIDTH * done / 100):<{_WIDTH}}\r")


def _percent(known: ref[duckdb.DuckDBPyConnection]) -> float:
    """How far the query of a connection is; below zero if it runs none."""
    connection = known()
    try:
        return connection.query_progress() if connection is not None else -1.0
    except duckdb.Error:  # closed
        return -1.0


def _write(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()
