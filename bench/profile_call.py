#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Where the time of a traced call goes, by perf's samples of the process that makes the calls.

A tracer pays for the tracepoint whatever it does there; the other parts are the recorder's. What
tracing slows down otherwise, as by the cache lines that it takes, is among the call itself; and
sampling slows down all.
"""

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.capture import CAPTURE, LOADS, Bench, beside_load, deep, pinned, table

# Parts by the kernel's symbols, the first that fits.
PARTS: Final = {
    "the recorder's program": r"bpf_prog_\w+_(on_|next_row|walk)",
    "the clock": r"read_tsc|\w*ktime_get\w*",
    "copying the path": r"bpf_probe_read_user_str|strncpy_from_user_nofault",
    "other helpers": r"bpf_(probe|get|task|map|tail)_|copy_from_kernel|\w*htab|\w*jhash",
    "the tracepoint": r"(__)?bpf_trace|__traceiter_|perf_trace_|trace_call_bpf|migrate_(dis|en)able"
    r"|syscall_(exit_work|trace_enter|exit_to_user_mode)",
}
CALL: Final = "the call itself"


@dataclass(frozen=True)
class Part:
    """A part of a call, in nanoseconds."""

    load: str
    part: str
    ns: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=2_000_000, help="calls of a load")
    parser.add_argument("--quick", action="store_true", help="few calls of one load")
    options = parser.parse_args()
    perf = shutil.which("perf")
    if perf is None:
        print("perf is missing (Debian: linux-perf): there is nothing to show", file=sys.stderr)
        return
    calls = 50_000 if options.quick else options.calls
    loads = [load for load in LOADS if load.threads == 1 and load.kind != "other"]
    with tempfile.TemporaryDirectory() as scratch:
        bench = Bench(Path(scratch))
        for load in loads[:1] if options.quick else loads:
            words = pinned([bench.program, load.kind, str(calls), "1"])
            if load.depth:
                words.append(str(deep(bench.scratch, load.depth)))
            print(table(profile(perf, bench.scratch, load.name, words)), end="\n\n", flush=True)


def profile(perf: str, scratch: Path, name: str, words: list[str]) -> list[Part]:
    """The parts of a call of a load that is recorded meanwhile."""
    data = scratch / "perf.data"
    sample = [perf, "record", "-q", "-e", "cpu-clock", "-F", "4999", "-o", str(data), "--"]
    record = [CAPTURE, "run", "-o", tempfile.mkdtemp(dir=scratch), "--"]
    # Inside of the recording, for perf must find the program to tell its name.
    run = subprocess.run(
        beside_load([*record, *sample, *words]), capture_output=True, text=True, check=True
    )
    report = [
        perf,
        "report",
        "-i",
        str(data),
        "--stdio",
        "--comm",
        "load",
        "--percentage",
        "relative",
    ]
    told = subprocess.run(
        [*report, "--sort", "symbol"], capture_output=True, text=True, check=True
    ).stdout
    shares = dict.fromkeys([*PARTS, CALL], 0.0)
    for share, symbol in re.findall(r"^\s*([\d.]+)%\s+\[.\]\s+(\S+)", told, re.M):
        fits = (part for part, pattern in PARTS.items() if re.match(rf"({pattern})", symbol))
        shares[next(fits, CALL)] += float(share)
    each = float(run.stdout)
    return [Part(name, part, each * share / sum(shares.values())) for part, share in shares.items()]


if __name__ == "__main__":
    main()
