#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What recording costs: the traced program, the recorder, the disk.

Every round runs the load four times: untraced; with an empty program at the tracepoint that the
recorder uses, which is what no recorder can do without; in another cgroup than the traced one
while a recording is under way; and traced. Figures are medians over the rounds, so that they
compare in one run. The load has the last CPU to itself, the recorder the others.
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
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

HERE: Final = Path(__file__).resolve().parent
CAPTURE: Final = str(Path(sys.executable).with_name("snoop-capture"))
CPUS: Final = os.cpu_count() or 1
RING_MB: Final = 16  # the default; the recorder's memory is shown without it
TICK: Final = os.sysconf("SC_CLK_TCK")


class Load(NamedTuple):
    """A load that bench/load.c makes."""

    name: str
    kind: str
    threads: int = 1
    depth: int = 0
    """Levels of the working directory below the root; 0: paths are absolute."""


LOADS: Final = [
    Load("stat", "stat"),
    Load("stat, 4 threads", "stat", threads=4),
    Load("stat, 50,000 paths", "many"),
    Load("stat, missing", "missing"),
    Load("stat, seccomp filter", "filtered"),
    Load("open and close", "open"),
    Load("relative, depth 1", "relative", depth=1),
    Load("relative, depth 10", "relative", depth=10),
    Load("relative, depth 30", "relative", depth=30),
    Load("not in the table", "other"),
]
QUICK: Final = ("stat", "relative, depth 10")


@dataclass(frozen=True)
class Costs:
    """What a call costs its program; nanoseconds, medians. ``added`` is beyond untraced."""

    load: str
    untraced: float
    empty_program_added: float
    other_cgroup_added: float
    traced_added: float


@dataclass(frozen=True)
class Recording:
    """What a recording under full load came to; medians, where it is not a sum or a peak.

    ``cpu_ns_per_event`` is the recorder's CPU time beyond that of a recording of nothing.
    """

    load: str
    events: int
    lost: int
    events_per_second: float
    cpu_ns_per_event: float
    bytes_per_event: float
    memory_beside_ring_mb: float


@dataclass(frozen=True)
class Fixed:
    """What a recording costs whatever is recorded."""

    attached_after_s: float
    whole_recording_of_nothing_s: float
    cpu_of_a_recording_of_nothing_s: float
    cpu_percent_idle: float
    cpu_percent_at_1000_events_per_second: float


class Run(NamedTuple):
    """One recording."""

    stdout: str
    events: int
    lost: int
    cpu: float
    peak_mb: float
    size: int


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=2_000_000, help="calls of a load and thread")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--load", help="only loads whose name begins so")
    parser.add_argument("--quick", action="store_true", help="a short round of two loads")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    options = parser.parse_args()
    loads = [load for load in LOADS if load.name.startswith(options.load or "")]
    calls, rounds, seconds = options.calls, options.rounds, 30.0
    if options.quick:
        calls, rounds, seconds = 20_000, 1, 0.5
        loads = [load for load in loads if load.name in QUICK]
    with tempfile.TemporaryDirectory() as scratch:
        bench = Bench(Path(scratch))
        fixed = bench.fixed(rounds, seconds)
        measured = [bench.measure(load, calls, rounds, fixed) for load in loads]
    costs = [cost for cost, _ in measured]
    recordings = [recording for _, recording in measured if recording]
    machine = f"{platform.machine()}, Linux {platform.release()}, {CPUS} CPUs, {cpu_name()}"
    if options.json:
        tables = {"costs": [*map(asdict, costs)], "recordings": [*map(asdict, recordings)]}
        print(json.dumps({"machine": machine, "fixed": asdict(fixed), **tables}, indent=1))
        return
    print(machine)
    print(f"{calls:,} calls a load and thread, {rounds} rounds\n")
    print(table([fixed]), table(costs), table(recordings), sep="\n\n")


class Bench:
    """The loads, and where they are recorded to."""

    def __init__(self, scratch: Path) -> None:
        self.scratch = scratch
        self.program = str(scratch / "load")
        subprocess.run(["gcc", "-O2", "-pthread", "-o", self.program, HERE / "load.c"], check=True)

    def measure(
        self, load: Load, calls: int, rounds: int, fixed: Fixed
    ) -> tuple[Costs, Recording | None]:
        """Run one load ``rounds`` times in each way."""
        words = pinned([self.program, load.kind, str(calls), str(load.threads)])
        if load.depth:
            words.append(str(deep(self.scratch, load.depth)))
        untraced, empty, elsewhere, runs = [], [], [], []
        for _ in range(rounds):
            untraced.append(alone(words))
            with empty_program():
                empty.append(alone(words))
            with self.other_recording():
                elsewhere.append(alone(words))
            runs.append(self.record(words))
        traced = [float(run.stdout) for run in runs]
        cost = Costs(
            load.name,
            statistics.median(untraced),
            median_difference(empty, untraced),
            median_difference(elsewhere, untraced),
            median_difference(traced, untraced),
        )
        if runs[0].events + runs[0].lost < calls:
            return cost, None
        nothing = fixed.cpu_of_a_recording_of_nothing_s
        return cost, Recording(
            load.name,
            events=sum(run.events for run in runs),
            lost=sum(run.lost for run in runs),
            events_per_second=1e9 / statistics.median(traced),
            cpu_ns_per_event=median((run.cpu - nothing) * 1e9 / run.events for run in runs),
            bytes_per_event=median(run.size / run.events for run in runs),
            memory_beside_ring_mb=max(run.peak_mb for run in runs) - RING_MB,
        )

    def fixed(self, rounds: int, seconds: float) -> Fixed:
        """Measure what does not depend on a load; ``seconds`` for each kind of little work."""
        attached, whole, cpu = [], [], []
        for _ in range(rounds):
            before, started = time.time(), time.monotonic()
            run = self.record(["date", "+%s.%N"])
            whole.append(time.monotonic() - started)
            attached.append(float(run.stdout) - before)
            cpu.append(run.cpu)
        nothing = statistics.median(cpu)
        idle = self.record(["sleep", str(seconds)])
        paced = self.record(pinned([self.program, "paced", str(round(seconds * 1000)), "1"]))
        return Fixed(
            attached_after_s=statistics.median(attached),
            whole_recording_of_nothing_s=statistics.median(whole),
            cpu_of_a_recording_of_nothing_s=nothing,
            cpu_percent_idle=max(0.0, idle.cpu - nothing) / seconds * 100,
            cpu_percent_at_1000_events_per_second=max(0.0, paced.cpu - nothing) / seconds * 100,
        )

    def record(self, words: Sequence[str]) -> Run:
        """Record a command; the CPU time is the recorder's own, in seconds."""
        directory = tempfile.mkdtemp(dir=self.scratch)
        process = subprocess.Popen(
            beside_load([CAPTURE, "run", "-o", directory, "--", *words]),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        *_, (cpu, peak) = watch(process)
        stdout, line = process.communicate()
        found = re.search(r"(\d+) events, \d+ distinct paths, (\d+) lost", line)
        if process.returncode or not found:
            sys.exit(f"recording failed: {line}")
        size = sum(path.stat().st_size for path in Path(directory).glob("*/*.parquet"))
        return Run(stdout, int(found[1]), int(found[2]), cpu, peak, size)

    @contextmanager
    def other_recording(self) -> Iterator[None]:
        """A recording of something else, as long as the block lasts."""
        words = [CAPTURE, "run", "-o", tempfile.mkdtemp(dir=self.scratch), "--"]
        with subprocess.Popen(
            beside_load([*words, "sh", "-c", "echo; exec cat"]),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        ) as process:
            assert process.stdout is not None
            process.stdout.readline()
            yield
            process.communicate()


@contextmanager
def empty_program() -> Iterator[None]:
    """A BPF program that does nothing, at the raw tracepoint sys_exit."""
    os.environ["BCC_KERNEL_SOURCE"] = str(HERE.parent / "bpf" / "include")
    import bcc

    program = bcc.BPF(
        text="int on_exit(struct bpf_raw_tracepoint_args *ctx) { return 0; }",
        cflags=["-Wno-macro-redefined", "-Wno-duplicate-decl-specifier"],
    )
    function = program.load_func(b"on_exit", bcc.BPF.RAW_TRACEPOINT)
    link = bcc.lib.bpf_attach_raw_tracepoint(function.fd, b"sys_exit")
    try:
        yield
    finally:
        os.close(link)
        program.cleanup()


def deep(scratch: Path, depth: int) -> Path:
    """A directory that lies ``depth`` levels below the root; those in ``scratch`` have a leaf."""
    directory = Path(*scratch.parts[: depth + 1])
    while len(directory.parts) - 1 < depth:
        directory /= f"directory-{depth}"
    if directory.is_relative_to(scratch):
        directory.mkdir(parents=True, exist_ok=True)
        Path(directory, "leaf").touch()
    return directory


def pinned(words: Sequence[str]) -> list[str]:
    return ["taskset", "-c", str(CPUS - 1), *words]


def beside_load(words: Sequence[str]) -> list[str]:
    """On the CPUs that the load leaves free."""
    return ["taskset", "-c", f"0-{CPUS - 2}", *words] if CPUS > 1 else [*words]


def alone(words: Sequence[str]) -> float:
    return float(subprocess.run(words, capture_output=True, check=True).stdout)


def watch(process: subprocess.Popen[str]) -> Iterator[tuple[float, float]]:
    """CPU seconds of the recorder itself, without its children, and its peak memory in MB."""
    stat, status = Path(f"/proc/{process.pid}/stat"), Path(f"/proc/{process.pid}/status")
    while True:
        words = stat.read_text().rpartition(")")[2].split()
        peak = re.search(r"VmHWM:\s+(\d+) kB", status.read_text())
        if words[0] == "Z" or peak is None:
            return
        yield (int(words[11]) + int(words[12])) / TICK, int(peak[1]) / 1024
        time.sleep(0.01)


def median(values: Iterator[float]) -> float:
    return statistics.median(values)


def median_difference(values: list[float], base: list[float]) -> float:
    return statistics.median(v - b for v, b in zip(values, base, strict=True))


def cpu_name() -> str:
    found = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.M)
    return found[1] if found else platform.processor()


def table(rows: "Sequence[DataclassInstance]") -> str:
    """Rows of one kind under the names of their fields, a line a row."""
    if not rows:
        return ""
    names = [field.name for field in fields(rows[0])]
    cells = [names] + [[text(getattr(row, name)) for name in names] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join(
        "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True))
        for line in cells
    )


def text(value: str | float) -> str:
    if isinstance(value, str):
        return value
    return f"{value:,.0f}" if value >= 100 or isinstance(value, int) else f"{value:.2f}"


if __name__ == "__main__":
    main()
