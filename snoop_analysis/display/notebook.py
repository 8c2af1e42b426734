# SPDX-License-Identifier: Apache-2.0
"""Relations in IPython and Jupyter: as the tables that everything else is shown in."""

import sys
from typing import Any

import duckdb

from snoop_analysis.display.descriptions import of_relation


def show_relations() -> None:
    """Where this runs in IPython, let it show DuckDB's relations as tables."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    if shell is None:
        return
    formatters = shell.display_formatter.formatters
    formatters["text/html"].for_type(duckdb.DuckDBPyRelation, _html)
    formatters["text/plain"].for_type(duckdb.DuckDBPyRelation, _text)


def _html(relation: duckdb.DuckDBPyRelation) -> str:
    return of_relation(relation).html()


def _text(relation: duckdb.DuckDBPyRelation, printer: Any, cycle: bool) -> None:  # noqa: ARG001
    printer.text(of_relation(relation).text())
