# SPDX-License-Identifier: Apache-2.0
"""A program that makes calls all the time, and keeps when it made each of them."""

import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from tests.capture.batches import numbers
from tests.capture.recording import read_events
from tests.capture.trees import inside

_PER_SECOND: Final = 20_000


class Ticking:
    """tests/programs/ticks.c at work; its calls are numbered, from 0."""

    def __init__(self, times: Path) -> None:
        self._times = times

    def between(self, begin: float, end: float) -> set[int]:
        """The calls that were made then; seconds since the epoch."""
        times = [time for (time,) in struct.iter_unpack("=Q", self._times.read_bytes()) if time]
        return {number for number, at in enumerate(times) if begin < at / 1e9 < end}


@contextmanager
def ticking(program: str, cgroup: Path, times: Path) -> Iterator[Ticking]:
    """Have the program make calls in a cgroup."""
    command = inside(cgroup, program, str(times), str(_PER_SECOND))
    with subprocess.Popen(command) as process:
        yield Ticking(times)
        process.kill()


def recorded(directory: Path) -> list[int]:
    """The numbers of the calls that a session holds."""
    table = read_events(directory)
    assert table["seq"].to_pylist() == list(range(table.num_rows))
    return numbers([path for path in table["path"].to_pylist() if path and "/tick/" in path])
