# SPDX-License-Identifier: Apache-2.0
"""Queries that people write: one statement, that writes nothing."""

from __future__ import annotations

from typing import Final

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


def relation_of(connection: duckdb.DuckDBPyConnection, sql: str) -> duckdb.DuckDBPyRelation:
    """The result of a query, lazily.

    Raises:
        OptionError: it is no SELECT (or what DuckDB takes as one: FROM, WITH, VALUES, DESCRIBE,
            SHOW, SUMMARIZE, PIVOT), or several.
        CaptureError: DuckDB does not understand it; the message is DuckDB's.
    """
    try:
        _check_reads_only(sql)
        return connection.sql(sql)
    except NOT_UNDERSTOOD as error:
        raise CaptureError(f"the query failed: {first_line(error)}") from error


def _check_reads_only(sql: str) -> None:
    statements = duckdb.extract_statements(sql)
    if len(statements) != 1:
        raise OptionError(f"{_ONE}, and not {len(statements) or 'none'}")
    kind, text = statements[0].type, statements[0].query
    if kind == duckdb.StatementType.SELECT:
        return
    reads = kind == duckdb.StatementType.MULTI and (
        _is_subquery(text) or _is_subquery(text.rpartition(";")[0])
    )
    if not reads:
        raise OptionError(f"{_ONE}: it cannot write, load or set anything")


def _is_subquery(sql: str) -> bool:
    """Whether a statement may stand in parentheses: one that writes may not.

    DuckDB makes several statements of any with a PIVOT, be it a SELECT or a COPY.
    """
    try:
        return len(duckdb.extract_statements(f"FROM ({sql}\n)")) == 1
    except duckdb.ParserException:
        return False
