# SPDX-License-Identifier: Apache-2.0
"""Printing relations: as a table for people, as CSV, JSON or Parquet for machines."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

import click

from snoop_analysis.names import shown
from snoop_analysis.terminal import table

if TYPE_CHECKING:
    import duckdb

Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Output:
    """How to print listings; a table unless something else is asked for."""

    as_csv: bool = False
    as_json: bool = False
    parquet: str | None = None

    def print(self, relation: duckdb.DuckDBPyRelation) -> None:
        """Print all rows of a relation.

        Times are RFC 3339; names that are not UTF-8 are as reports show them, but in Parquet,
        which keeps the names of ``sql/normalise.sql``.
        """
        if self.parquet:
            relation.write_parquet(self.parquet)
            return
        columns = relation.columns
        rows = [[_plain(value) for value in row] for row in relation.fetchall()]
        if self.as_json:
            objects = [dict(zip(columns, row, strict=True)) for row in rows]
            print(json.dumps(objects, indent=1, ensure_ascii=False))
        elif self.as_csv:
            writer = csv.writer(sys.stdout, lineterminator="\n")
            writer.writerow(columns)
            writer.writerows([[_cell(value) for value in row] for row in rows])
        else:
            print(table(columns, [[_cell(value) for value in row] for row in rows]))

    @staticmethod
    def print_object(said: dict[str, Any]) -> None:
        """Print an object as JSON, its times and names as in listings."""
        print(json.dumps(_plain(said), indent=1, ensure_ascii=False))


def listing(command: Command) -> Command:
    """Give a command the options of a listing; it gets an ``Output`` as ``output``."""

    @click.option("--csv", "as_csv", is_flag=True, help="Print CSV instead of a table.")
    @click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
    @click.option("--parquet", metavar="FILE", help="Write Parquet to FILE instead.")
    @wraps(command)
    def with_output(as_csv: bool, as_json: bool, parquet: str | None, **others: Any) -> Any:
        return command(output=Output(as_csv, as_json, parquet), **others)

    return with_output  # type: ignore[return-value]


def _plain(value: object) -> object:
    """A time as RFC 3339, a name as reports show it, anything else as it is."""
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return shown(value) if isinstance(value, str) else value


def _cell(value: object) -> object:
    return " ".join(map(str, value)) if isinstance(value, list) else value
