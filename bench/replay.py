#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How fast captures are replayed: makes one of a given size and measures what people wait for.

    python bench/replay.py --events 20e6 --shape skewed

Skewed: accesses to the files of a container follow Zipf's law with exponent 1.1, as those of real
programs roughly do. Uniform: every file is as likely as any other, the worst case for a bounded
replay. Each measurement is a process of its own; its time counts from start to exit.
"""

import argparse
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from snoop_format.schema import FORMAT, OPEN_EVENTS
from snoop_format.segment import ROW_GROUP, seal
from snoop_format.session import sealed_name, write_session

SEGMENT_ROWS = 4 * ROW_GROUP  # as the recorder rotates
BATCH_ROWS = 500_000
CONTAINERS = {101: 0.6, 102: 0.2, 103: 0.15, 104: 0.05}
FILES_PER_EVENT = 0.03
MOST_FILES = 600_000
SYSCALLS = {"openat": 0.4, "newfstatat": 0.4, "readlink": 0.1, "access": 0.08, "execve": 0.02}


def files_of(events: int) -> int:
    """Files there are, those of all containers together."""
    return int(min(max(1000, events * FILES_PER_EVENT), MOST_FILES))


def texts(values: list[str], indices: NDArray[Any]) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(indices.astype(np.int32)), pa.array(values))


class Recording:
    """Random events of a given shape, a batch at a time."""

    def __init__(self, events: int, shape: str) -> None:
        self.events = events
        self.random = np.random.default_rng(1)
        self.files = files_of(events) // len(CONTAINERS)
        self.paths = [
            f"/usr/lib/python3/dist-packages/pkg{n % 977}/module{n}.py"
            if n % 10
            else f"etc/{n}.conf"
            for n in range(self.files)
        ]
        weights = np.arange(1, self.files + 1) ** -1.1 if shape == "skewed" else np.ones(self.files)
        self.cumulative = np.cumsum(weights) / weights.sum()

    def batches(self, first: int, rows: int) -> Iterator[pa.RecordBatch]:
        for start in range(first, first + rows, BATCH_ROWS):
            yield self.batch(start, min(BATCH_ROWS, first + rows - start))

    def batch(self, first: int, rows: int) -> pa.RecordBatch:
        pick = self.random
        seq = np.arange(first, first + rows)
        cgroup = pick.choice(list(CONTAINERS), p=list(CONTAINERS.values()), size=rows)
        rank = np.searchsorted(self.cumulative, pick.random(rows))
        file = (rank + cgroup * 7919) % self.files  # each container has other favourites
        process = pick.integers(0, 100, rows)
        base = pa.DictionaryArray.from_arrays(
            pa.array((file // 10 % 20).astype(np.int32), mask=file % 10 != 0),
            pa.array([f"/srv/app{n}" for n in range(20)]),
        )
        columns = {
            "seq": pa.array(seq, pa.uint64()),
            "ts": pa.array(1_790_000_000_000_000 + seq * 3, pa.timestamp("us", "UTC")),
            "cgroup_id": pa.array(cgroup, pa.uint64()),
            "pid": pa.array(1000 + process, pa.uint32()),
            "tid": pa.array(1000 + process, pa.uint32()),
            "comm": texts([f"worker{n}" for n in range(50)], process % 50),
            "syscall": texts(list(SYSCALLS), pick.choice(5, p=list(SYSCALLS.values()), size=rows)),
            "dirfd": pa.array(np.full(rows, -100), pa.int32()),
            "flags": pa.array(np.full(rows, 0x80000), pa.uint64()),
            "ret": pa.array(np.where(file % 3 == 0, -2, 3), pa.int32()),
            "path": texts(self.paths, file),
            "base": base,
        }
        arrays = [columns.get(f.name, pa.nulls(rows, f.type)).cast(f.type) for f in OPEN_EVENTS]
        return pa.record_batch(arrays, schema=OPEN_EVENTS)


def make_capture(directory: Path, events: int, shape: str) -> None:
    recording = Recording(events, shape)
    directory.mkdir(parents=True)
    for number, first in enumerate(range(0, events, SEGMENT_ROWS), 1):
        rows = min(SEGMENT_ROWS, events - first)
        seal(recording.batches(first, rows), directory / sealed_name(number), {})
    containers = [{"cgroup_id": n, "name": f"c{n}", "cgroup_path": f"/pod/{n}"} for n in CONTAINERS]
    session = {"format": FORMAT, "session_id": shape, "host": "bench", "losses": {}}
    write_session(directory, {**session, "containers": containers})


def measure(arguments: list[str]) -> tuple[float, int]:
    """Seconds and peak resident bytes of a process."""
    started = time.perf_counter()
    process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    if status:
        sys.exit(f"failed: {arguments}")
    return seconds, usage.ru_maxrss * 1024


def measurements(capture: Path, files: int) -> dict[str, list[str]]:
    analyze = [sys.executable, "-c", "from snoop_analysis.cli import main; main()", str(capture)]
    counts = (
        "SELECT syscall, count(*), count(*) FILTER (ret < 0), min(ts), max(ts) "
        "FROM events GROUP BY ALL"
    )
    query = (
        "from snoop_analysis import Capture; "
        f"print(Capture({str(capture)!r}).query({counts!r}).fetchall())"
    )
    report = ["--report", os.devnull]
    return {
        "scan and count by syscall": [sys.executable, "-c", query],
        "breakdown by directory, with distinct files": [*analyze, "--by", "directory"],
        "breakdown by syscall, with distinct files": [*analyze, "--by", "syscall"],
        "replay without bound, report": [*analyze, *report],
        "replay, a tenth of the files, report": [
            *analyze,
            *report,
            "--max-unique-files",
            str(files // 10),
        ],
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--events", type=float, default=1e6)
    parser.add_argument("--shape", choices=["skewed", "uniform"], default="skewed")
    parser.add_argument("--capture", type=Path, help="keep the capture here, use it if it exists")
    parser.add_argument("--json", type=Path, help="write the figures here too")
    given = parser.parse_args()
    events = int(given.events)
    with tempfile.TemporaryDirectory() as temporary:
        capture = given.capture or Path(temporary) / "capture"
        if not capture.exists():  # in a process of its own: peaks below must not include it
            maker = multiprocessing.get_context("spawn").Process(
                target=make_capture, args=(capture, events, given.shape)
            )
            maker.start()
            maker.join()
        figures = []
        for name, arguments in measurements(capture, files_of(events) // len(CONTAINERS)).items():
            seconds, peak = measure(arguments)
            figures.append(
                {"what": name, "seconds": seconds, "rate": events / seconds, "peak": peak}
            )
            rate = f"{events / seconds / 1e6:.1f} M events/s"
            print(f"{name:44}{seconds:8.2f} s{rate:>18}{peak >> 20:7} MiB")
    if given.json:
        given.json.write_text(
            json.dumps({"events": events, "shape": given.shape, "figures": figures})
        )


if __name__ == "__main__":
    main()
