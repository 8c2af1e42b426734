# SPDX-License-Identifier: Apache-2.0
"""Printing relations."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from snoop_analysis.names import shown
from snoop_analysis.terminal import table

if TYPE_CHECKING:
    import duckdb


def print_relation(relation: duckdb.DuckDBPyRelation, as_json: bool) -> None:
    """Print all rows: for people as a table, for machines as a JSON list of objects."""
    columns = relation.columns
    rows = [[_plain(value) for value in row] for row in relation.fetchall()]
    if as_json:
        objects = [dict(zip(columns, row, strict=True)) for row in rows]
        print(json.dumps(objects, indent=1, ensure_ascii=False))
    else:
        print(table(columns, rows))


def _plain(value: object) -> object:
    """A time as RFC 3339, a name as reports show it, anything else as it is."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return shown(value) if isinstance(value, str) else value
