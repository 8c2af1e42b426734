# SPDX-License-Identifier: Apache-2.0
"""Printing relations: as a table for people, as CSV, JSON or Parquet for machines."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

import click

from snoop_analysis.names import escaped, shown
from snoop_analysis.terminal import printable, table, visible_json

if TYPE_CHECKING:
    import duckdb

Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Output:
    """How to print listings; a table unless something else is asked for."""

    as_csv: bool = False
    as_json: bool = False
    parquet: str | None = None

    @property
    def prints(self) -> bool:
        """Whether a listing goes to standard output."""
        return self.parquet in (None, "-")

    @property
    def file(self) -> str | None:
        """The name of the file that a listing goes to; null if it goes to standard output."""
        return None if self.prints else self.parquet

    def print(
        self, relation: duckdb.DuckDBPyRelation, without: Mapping[str, str] | None = None
    ) -> None:
        """Print all rows of a relation.

        ``without`` has what a table for people shows in a column where there is no value.

        Times are RFC 3339; names that are not UTF-8 are as reports show them, but in Parquet,
        which keeps the names of ``sql/normalise.sql``. In CSV, which has no escapes of its own,
        control characters are written as in tables, and backslashes are doubled: names that
        differ do so there, too.
        """
        if self.parquet:
            from snoop_analysis.replacing import (  # imports pyarrow
                STANDARD_OUTPUT,
                for_database,
                replaced,
            )

            path = STANDARD_OUTPUT if self.parquet == "-" else self.parquet
            with replaced(path) as target:
                relation.write_parquet(for_database(target))
            return
        columns = relation.columns
        text = escaped if self.as_csv else shown
        rows = [[_plain(value, text) for value in row] for row in relation.fetchall()]
        if self.as_json:
            _print_json([dict(zip(columns, row, strict=True)) for row in rows])
        elif self.as_csv:
            writer = csv.writer(sys.stdout, lineterminator="\n")
            writer.writerow(columns)
            writer.writerows([[_printable_cell(value) for value in row] for row in rows])
        else:
            without = without or {}
            shown_without = [without.get(name) for name in columns]
            print(table(columns, [list(map(_cell, row, shown_without)) for row in rows]))

    @staticmethod
    def print_object(said: dict[str, Any]) -> None:
        """Print an object as JSON, its times and names as in listings."""
        _print_json(_plain(said))


def listing(command: Command) -> Command:
    """Give a command the options of a listing; it gets an ``Output`` as ``output``."""

    @click.option("--csv", "as_csv", is_flag=True, help="Print CSV instead of a table.")
    @click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
    @click.option(
        "--parquet", metavar="FILE", help="Write Parquet to FILE instead; - is standard output."
    )
    @wraps(command)
    def with_output(as_csv: bool, as_json: bool, parquet: str | None, **others: Any) -> Any:
        if as_csv + as_json + (parquet is not None) > 1:
            raise click.UsageError("--csv, --json and --parquet exclude each other: give one")
        if parquet == "":
            raise click.UsageError("--parquet needs the name of a file")
        return command(output=Output(as_csv, as_json, parquet), **others)

    return with_output  # type: ignore[return-value]


def _plain(value: object, text: Callable[[str], str] = shown) -> object:
    """A time as RFC 3339, a name as ``text`` writes it, anything else as it is."""
    if isinstance(value, dict):
        return {key: _plain(one, text) for key, one in value.items()}
    if isinstance(value, list):
        return [_plain(one, text) for one in value]
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    return text(value) if isinstance(value, str) else value


def _print_json(said: object) -> None:
    print(visible_json(json.dumps(said, indent=1, ensure_ascii=False), sys.stdout.encoding))


def _printable_cell(value: object) -> object:
    cell = _cell(value)
    return printable(cell) if isinstance(cell, str) else cell


def _cell(value: object, without: str | None = None) -> object:
    if value is None:
        return without
    return " ".join(map(str, value)) if isinstance(value, list) else value
