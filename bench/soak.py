#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Does a recorder that runs for long lose anything, or grow?

A load makes a known number of calls at a steady rate, for each rate in turn, while the recorder
rotates segments and removes old ones, and is stopped and started again every few minutes. At the
end every call must be a row, part of a summary of removed segments, or counted as lost; and within
no life of a recorder may its memory grow. Exits with 1 where either does not hold.
"""

import argparse
import json
import os
import platform
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from bench.capture import CAPTURE, CPUS, HERE, TICK, beside_load, cpu_name, pinned, table
from snoop_capture.cgroups import CommandCgroup
from snoop_format.session import read_session, segments
from snoop_format.summary import SUMMARY_FILE

RATES: Final = (100, 10_000, 100_000)
FILES: Final = "/usr/lib/many/file-"  # what bench/load.c asks for
OPTIONS: Final = ["--metrics-addr=", "--log-level=warning"]
LONG: Final = ["--rotate-interval=30s", "--rotate-size=16M", "--max-size=16M"]
SHORT: Final = ["--rotate-interval=1s", "--rotate-size=1M", "--max-size=256K"]
WARM: Final = 90.0  # seconds of a life until all has happened once, removal of segments too
GROWTH: Final = 1.05  # of the memory within a life that is still called flat
STEP_MB: Final = 4.0
PATIENCE: Final = 60.0


class Sample(NamedTuple):
    """A recorder at a moment: seconds since it began to record, CPU seconds, memory in MB."""

    at: float
    cpu: float
    memory: float


@dataclass
class Life:
    """A recorder from its start to its end, and what was issued meanwhile."""

    rate: int
    issued: int
    session: Path
    samples: list[Sample] = field(default_factory=list)
    rows: int = 0
    summarized: int = 0
    lost: int = 0
    said: str = ""

    @property
    def missing(self) -> int:
        """Calls that are nowhere; less than 0: rows that nobody asked for."""
        found = self.rows + self.summarized
        return self.issued - found if not self.lost else max(0, self.issued - found - self.lost)

    @property
    def grows(self) -> bool:
        """Is the memory of the last part of the life larger than that after the start?

        Its least or its median: it goes up for a moment with each removal of a segment, and down
        again. A life that is not longer than the start does not tell.
        """
        warm = [s.memory for s in self.samples if s.at >= WARM]
        third = len(warm) // 3
        if not third:
            return False
        first, last = warm[:third], warm[-third:]
        measures = (min, statistics.median)
        return any(one(last) > one(first) * GROWTH + STEP_MB for one in measures)


@dataclass(frozen=True)
class Figures:
    """All lives at one rate; memory and CPU are the recorder's, with the ring in shared memory."""

    events_per_second: int
    lives: int
    issued: int
    rows: int
    summarized: int
    lost: int
    missing: int
    cpu_percent: float
    memory_mb_first_minute: float
    memory_mb_last_minute: float
    memory_mb_peak: float
    grows: bool


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=30.0, help="for all rates together")
    parser.add_argument("--rates", default=",".join(map(str, RATES)), help="events a second")
    parser.add_argument("--restart", type=float, default=180.0, help="seconds of one life")
    parser.add_argument("--quick", action="store_true", help="some seconds, at two rates")
    parser.add_argument("--json", type=Path, help="write the figures and all samples to this file")
    options = parser.parse_args()
    rates = [int(rate) for rate in options.rates.split(",")]
    seconds, restart, limits = options.minutes * 60 / len(rates), options.restart, LONG
    if options.quick:
        rates, seconds, restart, limits = [100, 10_000], 8.0, 4.0, SHORT
    with tempfile.TemporaryDirectory() as scratch, Soak(Path(scratch), limits).running() as soak:
        lives = [life for rate in rates for life in soak.phase(rate, seconds, restart)]
        for life in lives:
            soak.count(life)
    figures = [of_rate(rate, [life for life in lives if life.rate == rate]) for rate in rates]
    machine = f"{platform.machine()}, Linux {platform.release()}, {CPUS} CPUs, {cpu_name()}"
    print(f"{machine}\n{seconds / 60:.1f} min a rate; {' '.join(limits)}\n\n{table(figures)}")
    if options.json:
        told = {"machine": machine, "rates": [asdict(f) for f in figures], "lives": told_of(lives)}
        options.json.write_text(json.dumps(told, indent=1) + "\n")
    problems = [*wrong(lives)]
    print("\n".join(problems) or "nothing is missing, and no memory grows", file=sys.stderr)
    sys.exit(1 if problems else 0)


class Soak:
    """A cgroup to record, the load in it, and the recorders."""

    def __init__(self, scratch: Path, limits: list[str]) -> None:
        self.capture = scratch / "capture"
        self.load = str(scratch / "load")
        self.limits = limits
        compiler = ["gcc", "-O2", "-static", "-pthread", "-o", self.load, str(HERE / "load.c")]
        subprocess.run(compiler, check=True)
        scratch.chmod(0o755)  # the recorder becomes another user

    @contextmanager
    def running(self) -> Iterator["Soak"]:
        with CommandCgroup(f"snoop-soak-{os.getpid()}") as group:
            self.group = group
            yield self

    def phase(self, rate: int, seconds: float, restart: float) -> Iterator[Life]:
        """Lives at one rate, one after the other."""
        lives = max(1, round(seconds / restart))
        for number in range(lives):
            life = self.life(rate, round(rate * seconds / lives))
            progress = f"{rate:,} events/s, life {number + 1} of {lives}: {life.said}"
            print(progress, file=sys.stderr, flush=True)
            yield life

    def life(self, rate: int, calls: int) -> Life:
        """Start a recorder, make calls, stop it."""
        before = set(self.capture.glob("*/session.json"))
        words = [CAPTURE, "cgroup", str(self.group.directory), "-o", str(self.capture)]
        recorder = subprocess.Popen(
            beside_load([*words, *OPTIONS, *self.limits]), stderr=subprocess.PIPE, text=True
        )
        deadline = time.monotonic() + PATIENCE
        while not (new := set(self.capture.glob("*/session.json")) - before):
            if recorder.poll() is not None or time.monotonic() > deadline:
                sys.exit(f"the recorder did not begin: {recorder.communicate()[1]}")
            time.sleep(0.02)
        life = Life(rate, calls, new.pop().parent)
        enter = f'echo $$ > {self.group.directory}/cgroup.procs && exec "$@"'
        load = [self.load, "many", str(calls), "1", "/", str(rate)]
        began = time.monotonic()
        with subprocess.Popen(
            pinned(["sh", "-c", enter, "sh", *load]), stdout=subprocess.DEVNULL
        ) as issuing:
            while issuing.poll() is None:
                life.samples.append(sample(recorder.pid, began))
                time.sleep(min(1.0, calls / rate / 20))
        recorder.send_signal(signal.SIGTERM)
        _, life.said = recorder.communicate(timeout=PATIENCE)
        life.said = life.said.strip() or "stopped"
        if recorder.returncode or issuing.returncode:
            sys.exit(f"a life ended with {recorder.returncode}: {life.said}")
        return life

    def count(self, life: Life) -> None:
        """Find what was issued during a life."""
        life.rows = sum(in_segment(path) for _, path in segments(life.session))
        summary = life.session / SUMMARY_FILE
        life.summarized = in_summary(summary) if summary.exists() else 0
        life.lost = sum(read_session(life.session)["losses"].values())


def in_segment(path: Path) -> int:
    """Rows of the load in a segment."""
    found = 0
    with pq.ParquetFile(path, read_dictionary=["path"]) as parquet:
        for number in range(parquet.num_row_groups):
            column = parquet.read_row_group(number, ["path"]).column(0)
            for chunk in column.chunks:
                ours = pc.starts_with(chunk.dictionary, FILES).to_numpy(zero_copy_only=False)
                indices = pc.drop_null(chunk.indices).to_numpy()
                found += int(np.count_nonzero(ours.astype(bool)[indices]))
    return found


def in_summary(path: Path) -> int:
    """Calls of the load that a summary holds."""
    rows: pa.Table = pq.read_table(path, columns=["path", "count"])
    ours = rows.filter(pc.starts_with(rows.column("path"), FILES))
    return int(pc.sum(ours.column("count")).as_py() or 0)


def sample(pid: int, began: float) -> Sample:
    words = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    memory = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    cpu = (int(words[11]) + int(words[12])) / TICK
    return Sample(time.monotonic() - began, cpu, int(memory[1]) / 1024 if memory else 0.0)


def of_rate(rate: int, lives: list[Life]) -> Figures:
    spans = [life.samples[-1].at - life.samples[0].at for life in lives]
    cpu = sum(life.samples[-1].cpu - life.samples[0].cpu for life in lives)
    return Figures(
        events_per_second=rate,
        lives=len(lives),
        issued=sum(life.issued for life in lives),
        rows=sum(life.rows for life in lives),
        summarized=sum(life.summarized for life in lives),
        lost=sum(life.lost for life in lives),
        missing=sum(abs(life.missing) for life in lives),
        cpu_percent=100 * cpu / sum(spans),
        memory_mb_first_minute=statistics.median(
            s.memory for life in lives for s in life.samples if s.at <= 60
        ),
        memory_mb_last_minute=statistics.median(
            s.memory for life in lives for s in life.samples if s.at >= life.samples[-1].at - 60
        ),
        memory_mb_peak=max(s.memory for life in lives for s in life.samples),
        grows=any(life.grows for life in lives),
    )


def wrong(lives: list[Life]) -> Iterator[str]:
    for number, life in enumerate(lives, 1):
        where = f"life {number} at {life.rate:,} events/s"
        if life.missing:
            yield f"{where}: {life.missing:,} of {life.issued:,} calls are neither rows nor lost"
        if life.lost:
            yield f"{where}: {life.lost:,} of {life.issued:,} calls were lost"
        if life.grows:
            yield f"{where}: the recorder's memory grows"


def told_of(lives: list[Life]) -> list[dict[str, Any]]:
    return [asdict(life) | {"session": life.session.name} for life in lives]


if __name__ == "__main__":
    main()
