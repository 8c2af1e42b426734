#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What recording costs: the traced program, the recorder, the disk.

Every round runs the load untraced, in another cgroup than the traced one while a recording is
under way, and traced; figures are medians over the rounds, so that they compare in one run. The
load has the last CPU to itself, the recorder the others.
"""

import argparse
import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent
CAPTURE = str(Path(sys.executable).parent / "snoop-capture")

# Name, kind of bench/load.c, threads, depth of the working directory.
LOADS = [
    ("stat", "stat", 1, 0),
    ("stat, 4 threads", "stat", 4, 0),
    ("stat, 50,000 paths", "many", 1, 0),
    ("stat, missing", "missing", 1, 0),
    ("open and close", "open", 1, 0),
    ("relative, depth 1", "relative", 1, 1),
    ("relative, depth 10", "relative", 1, 10),
    ("relative, depth 30", "relative", 1, 30),
    ("not in the table", "other", 1, 0),
]


@dataclass(frozen=True)
class Figures:
    """Nanoseconds a call or an event, medians; the rest from the last recording."""

    load: str
    untraced_ns: float
    other_cgroup_ns: float
    traced_ns: float
    added_ns: float
    events: int
    lost: int
    events_per_second: int
    recorder_ns_per_event: float
    recorder_peak_mb: float
    bytes_per_event: float


@dataclass(frozen=True)
class Recorded:
    ns: float
    seconds: float
    events: int
    lost: int
    cpu: float
    peak_mb: float
    size: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=2_000_000, help="calls of a load")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="one short round: does it work?")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    parser.add_argument("--load", help="only loads whose name begins so")
    options = parser.parse_args()
    calls, rounds = (20_000, 1) if options.quick else (options.calls, options.rounds)
    loads = [load for load in LOADS if load[0].startswith(options.load or "")]
    with tempfile.TemporaryDirectory() as scratch:
        program = str(Path(scratch, "load"))
        subprocess.run(["gcc", "-O2", "-pthread", "-o", program, HERE / "load.c"], check=True)
        figures = [measure(program, Path(scratch), load, calls, rounds) for load in loads]
        ready = statistics.median(seconds_until_ready(Path(scratch)) for _ in range(rounds))
    if options.json:
        print(json.dumps({"ready_s": ready, "loads": [asdict(f) for f in figures]}, indent=1))
        return
    print(f"{platform.machine()}, Linux {platform.release()}, {os.cpu_count()} CPUs, {cpu_name()}")
    print(f"{calls:,} calls a load and thread, medians of {rounds} rounds; recording of a command")
    print(f"that does nothing, all in: {ready:.2f} s")
    print(table(figures))


def measure(
    program: str, scratch: Path, load: tuple[str, str, int, int], calls: int, rounds: int
) -> Figures:
    name, kind, threads, depth = load
    words = [program, kind, str(calls), str(threads)]
    if depth:
        words.append(str(deep(scratch, depth)))
    untraced, elsewhere, traced = [], [], []
    for _ in range(rounds):
        untraced.append(alone(words))
        with other_recording(scratch):
            elsewhere.append(alone(words))
        traced.append(recorded(words, scratch))
    last = traced[-1]
    known = max(last.events, 1)
    return Figures(
        load=name,
        untraced_ns=statistics.median(untraced),
        other_cgroup_ns=statistics.median(elsewhere),
        traced_ns=statistics.median(r.ns for r in traced),
        added_ns=statistics.median(r.ns - u for r, u in zip(traced, untraced, strict=True)),
        events=last.events,
        lost=sum(r.lost for r in traced),
        events_per_second=round(calls * threads / (statistics.median(r.seconds for r in traced))),
        recorder_ns_per_event=statistics.median(r.cpu * 1e9 / max(r.events, 1) for r in traced),
        recorder_peak_mb=max(r.peak_mb for r in traced),
        bytes_per_event=last.size / known,
    )


def deep(scratch: Path, depth: int) -> Path:
    """A directory that lies ``depth`` levels below the root."""
    directory = scratch / "deep" / str(depth)
    while len(directory.parts) - 1 < depth:
        directory /= "directory"
    if depth < len(directory.parts) - 1:
        return Path(*directory.parts[: depth + 1])
    directory.mkdir(parents=True, exist_ok=True)
    return directory


def pinned(words: list[str]) -> list[str]:
    return ["taskset", "-c", str((os.cpu_count() or 1) - 1), *words]


def alone(words: list[str]) -> float:
    return float(subprocess.run(pinned(words), capture_output=True, check=True).stdout)


class other_recording:  # noqa: N801 (used like a function)
    """A recording of something else, as long as the block lasts."""

    def __init__(self, scratch: Path) -> None:
        self.scratch = scratch

    def __enter__(self) -> None:
        directory = tempfile.mkdtemp(dir=self.scratch)
        words = [CAPTURE, "run", "-o", directory, "--", "sh", "-c", "echo; exec cat"]
        self.process = subprocess.Popen(
            words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
        assert self.process.stdout is not None
        self.process.stdout.readline()

    def __exit__(self, *_: object) -> None:
        self.process.communicate()


def recorded(words: list[str], scratch: Path) -> Recorded:
    """Run a load under the recorder; its CPU time is without the load's."""
    directory = tempfile.mkdtemp(dir=scratch)
    process = subprocess.Popen(
        [CAPTURE, "run", "-o", directory, "--", *pinned(words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    samples = list(watch(process))
    assert process.stdout is not None
    assert process.stderr is not None
    ns = float(process.stdout.read())
    line = process.stderr.read().decode()
    found = re.search(r"(\d+) events, \d+ distinct paths, (\d+) lost", line)
    if process.wait() or not found:
        sys.exit(f"recording failed: {line}")
    events, lost = int(found[1]), int(found[2])
    size = sum(path.stat().st_size for path in Path(directory).glob("*/*.parquet"))
    cpu, peak = samples[-1]
    return Recorded(ns, ns * int(words[2]) / 1e9, events, lost, cpu, peak, size)


def watch(process: subprocess.Popen[bytes]) -> Iterator[tuple[float, float]]:
    """CPU seconds of the recorder itself, without its children, and its peak memory in MB."""
    tick = os.sysconf("SC_CLK_TCK")
    stat, status = Path(f"/proc/{process.pid}/stat"), Path(f"/proc/{process.pid}/status")
    while True:
        words = stat.read_text().rpartition(")")[2].split()
        peak = re.search(r"VmHWM:\s+(\d+) kB", status.read_text())
        if words[0] == "Z" or peak is None:
            return
        yield (int(words[11]) + int(words[12])) / tick, int(peak[1]) / 1024
        time.sleep(0.01)


def seconds_until_ready(scratch: Path) -> float:
    """What a recording of nothing takes: start, attach, detach, seal."""
    directory = tempfile.mkdtemp(dir=scratch)
    before = time.monotonic()
    subprocess.run([CAPTURE, "run", "-o", directory, "--", "true"], capture_output=True, check=True)
    return time.monotonic() - before


def cpu_name() -> str:
    found = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.M)
    return found[1] if found else platform.processor()


def table(figures: list[Figures]) -> str:
    head = ["load", "ns untraced", "other cgroup", "traced", "added", "events/s", "lost",
            "recorder ns/event", "peak MB", "bytes/event"]  # fmt: skip
    rows = [
        [
            f.load, f"{f.untraced_ns:.0f}", f"{f.other_cgroup_ns:.0f}", f"{f.traced_ns:.0f}",
            f"{f.added_ns:.0f}", f"{f.events_per_second:,}", f"{f.lost:,}",
            f"{f.recorder_ns_per_event:.0f}", f"{f.recorder_peak_mb:.0f}",
            f"{f.bytes_per_event:.2f}",
        ]
        for f in figures
    ]  # fmt: skip
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    lines = [
        "  ".join(
            [
                row[0].ljust(widths[0]),
                *(c.rjust(w) for c, w in zip(row[1:], widths[1:], strict=True)),
            ]
        )
        for row in [head, *rows]
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
