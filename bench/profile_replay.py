#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Where the time of a breakdown with distinct files goes, by DuckDB's own profile.

Seconds are those of all threads together. The first large query groups the events by what names
are made of; the last one finds the name of each event again, and counts.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bench.capture import table
from bench.replay import make_capture

LEAST: Final = 0.02  # of all, for an operator to be shown
# Every connection writes the profile of each query to standard error.
PROFILED: Final = """
import sys
from snoop_analysis import Capture

connect = Capture.connect

def connect_profiled(self, other=None):
    connection = connect(self, other)
    connection.execute("SET enable_profiling='json'")
    return connection

Capture.connect = connect_profiled
Capture(sys.argv[1]).replay().breakdown("syscall").fetchall()
"""


@dataclass(frozen=True)
class Operator:
    """An operator of a query: what it took, in seconds and of all queries."""

    query: int
    operator: str
    seconds: float
    share: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=float, default=20e6)
    parser.add_argument("--shape", choices=["skewed", "uniform"], default="skewed")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        capture = Path(scratch) / "capture"
        make_capture(capture, int(options.events), options.shape)
        words = [sys.executable, "-c", PROFILED, str(capture)]
        told = subprocess.run(words, capture_output=True, text=True, check=True).stderr
    print(table(list(shown(list(documents(told))))))


def documents(text: str) -> Iterator[dict[str, Any]]:
    """The JSON documents that stand one behind the other."""
    decoder, at = json.JSONDecoder(), text.find("{")
    while at >= 0:
        document, end = decoder.raw_decode(text, at)
        yield document
        at = text.find("{", end)


def shown(profiles: list[dict[str, Any]]) -> Iterator[Operator]:
    """The operators that took most, query by query."""
    sums = [dict[str, float]() for _ in profiles]
    for of_query, profile in zip(sums, profiles, strict=True):
        for operator in profile["operator"]:
            add(of_query, operator)
    whole = sum(sum(of_query.values()) for of_query in sums)
    for number, of_query in enumerate(sums, 1):
        for name, seconds in of_query.items():
            if seconds >= LEAST * whole:
                yield Operator(number, name, seconds, seconds / whole)


def add(sums: dict[str, float], operator: dict[str, Any]) -> None:
    """Add what an operator took, and those below it."""
    name = str(operator["type"])
    sums[name] = sums.get(name, 0.0) + float(operator["timing"])
    for child in operator.get("children", ()):
        add(sums, child)


if __name__ == "__main__":
    main()
