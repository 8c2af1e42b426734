#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What recording costs beside strace, perf trace and bpftrace: the same load, in turns.

Each round runs the load untraced, under each tool, and again untraced while the tool traces
something else. Every tool writes each call, with its path (perf shows the pointer only) and its
result, to a file. The load has the last CPU to itself, the tools the others. Figures are medians
over the rounds. ``lost`` counts calls that the load made and that are not in the output.
"""

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from bench.capture import Bench, Load, alone, beside_load, pinned, table, watch

LOAD: Final = Load("stat", "stat")
BPFTRACE: Final = """
tracepoint:syscalls:sys_enter_newfstatat /pid == cpid/ { @path[tid] = args->filename; }
tracepoint:syscalls:sys_exit_newfstatat /@path[tid]/ {
    printf("%llu %d %d %s %s %d\\n", nsecs, pid, tid, comm, str(@path[tid]), args->ret);
    delete(@path[tid]);
}
"""


@dataclass(frozen=True, slots=True)
class Tool:
    """A tracer: how it runs a command, and what a line about a call of the load has in it."""

    name: str
    line: str
    command: Callable[[str, Sequence[str]], list[str]]


@dataclass(frozen=True, slots=True)
class Figures:
    """Nanoseconds a call, beyond untraced; the rest is of the tool itself."""

    tool: str
    traced_added: float
    untraced_added: float
    lost: int
    cpu_ns_per_event: float
    bytes_per_event: float
    memory_mb: float


def strace(output: str, words: Sequence[str]) -> list[str]:
    return ["strace", "-f", "-qq", "-e", "trace=%file", "-o", output, "--", *words]


def perf(output: str, words: Sequence[str]) -> list[str]:
    return ["perf", "trace", "-e", "newfstatat", "-o", output, "--", *words]


def bpftrace(output: str, words: Sequence[str]) -> list[str]:
    program = shutil.which(words[0]) or words[0]  # of two in PATH it takes neither
    return ["bpftrace", "-o", output, "-e", BPFTRACE, "-c", " ".join([program, *words[1:]])]


TOOLS: Final = (
    Tool("strace", '"/etc/hostname"', strace),
    Tool("perf", " newfstatat(", perf),
    Tool("bpftrace", " /etc/hostname ", bpftrace),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=200_000, help="calls of the load")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="one round of few calls")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args()
    calls, rounds = (5_000, 1) if options.quick else (options.calls, options.rounds)
    tools = [tool for tool in TOOLS if shutil.which(tool.name)]
    with tempfile.TemporaryDirectory() as scratch:
        bench = Bench(Path(scratch))
        figures = [snoop(bench, calls, rounds)]
        figures += [measure(bench, tool, calls, rounds) for tool in tools]
    missing = [tool.name for tool in TOOLS if tool not in tools]
    if options.json:
        rows = [*map(asdict, figures)]
        print(json.dumps({"calls": calls, "tools": rows, "missing": missing}, indent=1))
        return
    print(f"{calls:,} calls of stat(2), {rounds} rounds\n")
    print(table(figures))
    for name in missing:
        print(f"{name} is not installed")


def snoop(bench: Bench, calls: int, rounds: int) -> Figures:
    """The recorder itself, as bench/capture.py measures it."""
    fixed = bench.fixed(1, 0.5)
    costs, recording = bench.measure(LOAD, calls, rounds, fixed)
    if recording is None:
        sys.exit("the recorder recorded nothing")
    return Figures(
        "snoop",
        costs.traced_added,
        costs.other_cgroup_added,
        recording.lost,
        recording.cpu_ns_per_event,
        recording.bytes_per_event,
        recording.memory_beside_ring_mb,
    )


def measure(bench: Bench, tool: Tool, calls: int, rounds: int) -> Figures:
    """Run the load under a tool, ``rounds`` times."""
    words = pinned([bench.program, LOAD.kind, str(calls), "1"])
    output = bench.scratch / tool.name
    traced, untraced, cpu, size, lost, memory = [], [], [], [], 0, 0.0
    idle = run(tool, output, ["true"])[1]
    for _ in range(rounds):
        without = alone(words)
        with tracing_something_else(tool, bench.scratch):
            untraced.append(alone(words) - without)
        taken, seconds, peak = run(tool, output, words)
        events = sum(tool.line in line for line in output.read_text().splitlines())
        traced.append(taken - without)
        cpu.append((seconds - idle) * 1e9 / max(events, 1))
        size.append(output.stat().st_size / max(events, 1))
        lost += calls - min(events, calls)
        memory = max(memory, peak)
    return Figures(
        tool.name,
        statistics.median(traced),
        statistics.median(untraced),
        lost,
        statistics.median(cpu),
        statistics.median(size),
        memory,
    )


def run(tool: Tool, output: Path, words: Sequence[str]) -> tuple[float, float, float]:
    """What the load printed; the tool's own CPU seconds, without its children, and peak MB."""
    with subprocess.Popen(
        beside_load(tool.command(str(output), words)),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        *_, (cpu, peak) = watch(process)
        stdout, _ = process.communicate()
    numbers = [line for line in stdout.splitlines() if line.replace(".", "").isdigit()]
    return float(numbers[0]) if numbers else 0.0, cpu, peak


@contextmanager
def tracing_something_else(tool: Tool, scratch: Path) -> Iterator[None]:
    """The tool traces another program as long as the block lasts."""
    cat = [shutil.which("cat") or "cat"]
    words = beside_load(tool.command(str(scratch / "else"), cat))
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(b"\n")
        process.stdin.flush()
        process.stdout.readline()  # by now it runs, and is traced
        yield
        process.communicate()


if __name__ == "__main__":
    main()
