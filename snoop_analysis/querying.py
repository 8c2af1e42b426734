# SPDX-License-Identifier: Apache-2.0
"""Queries that people write: one statement, that writes nothing."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final

import duckdb

from snoop_analysis.errors import CaptureError, OptionError, first_line

# What DuckDB says of SQL that it does not understand.
NOT_UNDERSTOOD: Final = (
    duckdb.ParserException,
    duckdb.SyntaxException,
    duckdb.BinderException,
    duckdb.CatalogException,
)
_ONE: Final = "a query is one SELECT statement"
# What a SELECT is made of: in a WITH there may be a COPY or a DELETE as well.
_READING: Final = {"SELECT_NODE", "SET_OPERATION_NODE", "CTE_NODE", "RECURSIVE_CTE_NODE"}
# Functions in a FROM that change the database or its settings, write files, or run other SQL.
_ACTING: Final = re.compile(
    r"(add|checkpoint|copy|create|deregister|destroy|disable|enable|force|import|json_execute"
    r"|register|truncate|verify)(_|$)|query$"
)


def relation_of(connection: duckdb.DuckDBPyConnection, sql: str) -> duckdb.DuckDBPyRelation:
    """The result of a query, lazily.

    Raises:
        OptionError: it is no SELECT (or what DuckDB takes as one: FROM, WITH, VALUES, DESCRIBE,
            SHOW, SUMMARIZE, PIVOT), or several.
        CaptureError: DuckDB does not understand it; the message is DuckDB's.
    """
    if not isinstance(sql, str):
        raise OptionError(f"{_ONE}, as text, and not {sql!r}")
    try:
        _check_reads_only(connection, sql)
        return connection.sql(sql)
    except NOT_UNDERSTOOD as error:
        raise CaptureError(f"the query failed: {first_line(error)}") from error


def _check_reads_only(connection: duckdb.DuckDBPyConnection, sql: str) -> None:
    statements = duckdb.extract_statements(sql)
    if len(statements) != 1:
        raise OptionError(f"{_ONE}, and not {len(statements) or 'none'}")
    if statements[0].type == duckdb.StatementType.MULTI:  # DuckDB's own, also around a COPY
        raise OptionError(f"{_ONE}; a PIVOT has to list its values: PIVOT ... ON column IN (...)")
    if statements[0].type != duckdb.StatementType.SELECT:
        raise OptionError(f"{_ONE}: it cannot write, load or set anything")
    ((said,),) = connection.execute("SELECT json_serialize_sql($1)", [sql]).fetchall()
    parsed = json.loads(said)
    if parsed["error"]:
        raise OptionError(f"{_ONE}: {parsed['error_message']}")
    for part in _parts(parsed["statements"]):
        kind = str(part.get("type"))
        if kind.endswith("_NODE") and kind not in _READING:
            raise OptionError(f"{_ONE}: what WITH names cannot write, either")
        function = part.get("function")
        name = str(function.get("function_name")) if isinstance(function, dict) else ""
        if kind == "TABLE_FUNCTION" and _ACTING.match(name.lower()):
            raise OptionError(f"{_ONE}, and {name} is more than that")


def _parts(parsed: Any) -> Iterator[dict[str, Any]]:
    """Every object in JSON, however deep."""
    todo = [parsed]
    while todo:
        one = todo.pop()
        if isinstance(one, dict):
            yield one
            todo += one.values()
        elif isinstance(one, list):
            todo += one
