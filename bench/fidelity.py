#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""How faithful is a recording? Compares it with what strace shows of the same command.

    python bench/fidelity.py [--twice [--same REGEX=TEXT]...] [--cwd DIR] -- COMMAND ARG...

The command runs once, under ``strace -f``, which runs under ``snoop-capture run``; what strace
does itself is left out. A line per syscall says how many (path, result) pairs strace showed, how
many of them are in the capture (recall), and how many of the capture's rows strace showed
(precision); then every difference. Exit code 1: something that strace showed is missing.

With ``--twice`` each has a run of its own, so that neither can disturb the other. The command must
do the same both times; names that it makes up (``/tmp/ccD4kX1a.o``) are made equal with ``--same``:
here ``--same '/tmp/cc[A-Za-z0-9]{6}=/tmp/ccX'``.

Compared are the calls of the recorder's own table (snoop_capture/syscalls.py).
"""

import argparse
import errno
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Final, NamedTuple

import pyarrow.parquet as pq

from snoop_capture.syscalls import ACT_SOCKET, COMPAT, Syscall, syscall_table
from snoop_format.schema import NEW, OLD
from snoop_format.session import segments

SNOOP_CAPTURE: Final = str(Path(sys.executable).with_name("snoop-capture"))

# strace's results that tell no outcome: the call was restarted, or its process ended in it.
_NO_RESULT: Final = frozenset(
    {"?", "ERESTARTSYS", "ERESTARTNOINTR", "ERESTARTNOHAND", "ERESTART_RESTARTBLOCK"}
)
_LINE: Final = re.compile(r"(?P<pid>\d+) +(?P<rest>.*)")
_RESUMED: Final = re.compile(r"<\.\.\. (?P<name>\w+) resumed>(?P<rest>.*)")
_UNFINISHED: Final = re.compile(r"(?P<text>.*?) *<unfinished \.\.\.>")
_MOVED: Final = re.compile(r"(?P<text>.*?) *<pid changed to (?P<pid>\d+) \.\.\.>")
_CALL: Final = re.compile(r"(?P<name>\w+)\((?P<arguments>.*)\) += (?P<result>.*)")
_STRING: Final = re.compile(r'"(?P<hex>(?:\\x[0-9a-f]{2})*)"(?P<cut>\.\.\.)?')
_ADDRESS: Final = re.compile(r'\{sa_family=AF_UNIX, sun_path=(?P<path>".*)\}')
_POINTER: Final = re.compile(r"NULL|0x[0-9a-f]+")
_NOT_A_CALL: Final = ("+++", "---", "[ Process PID=")


class Call(NamedTuple):
    """One path of one call, without what differs between two runs of a program."""

    syscall: str
    role: str | None
    """``old`` or ``new`` for a call with two paths."""
    path: bytes | None
    """None where it cannot be read: a bad pointer, or longer than PATH_MAX."""
    result: int | None
    """As the program saw it, or minus errno; None where there was none: the call restarted."""


class StraceError(Exception):
    """Output of strace that this module does not understand."""


def table_here() -> dict[str, Syscall]:
    """The calls that the recorder records on this architecture, by name; native ones only."""
    table = syscall_table(platform.machine())
    return {call.name: call for index, call in table.items() if index < COMPAT}


def strace(command: Sequence[str], cwd: Path | None = None) -> list[Call]:
    """Run ``command`` under strace; what it shows of the calls in the recorder's table."""
    with tempfile.NamedTemporaryFile("r", encoding="ascii") as output:
        _run(_traced(command, output.name), cwd)
        return [call for _, call in parse_strace(output, table_here())]


def capture(command: Sequence[str], cwd: Path | None = None) -> list[Call]:
    """Record ``command``; the rows as calls."""
    return [call for _, call in _record(command, cwd)]


def one_run(
    command: Sequence[str], cwd: Path | None = None
) -> tuple[dict[int, list[Call]], dict[int, list[Call]]]:
    """Record strace and ``command`` below it.

    Returns:
        what strace showed and what was recorded, by thread, in order; without strace's own calls.
    """
    with tempfile.NamedTemporaryFile("r", encoding="ascii") as output:
        rows = _record(
            _traced(command, output.name),
            cwd,
            without=os.path.realpath(shutil.which("strace") or ""),
        )
        return _by_thread(parse_strace(output, table_here())), _by_thread(rows)


def _traced(command: Sequence[str], output: str) -> list[str]:
    wanted = ",".join(["%file", *(f"?{name}" for name in table_here())])
    # -xx: every string in hexadecimal, so that no quote or comma can be part of one.
    options = ["-f", "-qq", "-xx", "-s", "5000", "-e", f"trace={wanted}", "-o", output]
    return ["strace", *options, "--", *command]


def _record(
    command: Sequence[str], cwd: Path | None, without: str | None = None
) -> list[tuple[int, Call]]:
    with tempfile.TemporaryDirectory() as directory:
        _run([SNOOP_CAPTURE, "run", "-o", directory, "--", *command], cwd)
        (session,) = Path(directory).iterdir()
        return list(read_calls(session, table_here(), without))


def _by_thread(calls: Iterable[tuple[int, Call]]) -> dict[int, list[Call]]:
    threads: dict[int, list[Call]] = {}
    for thread, call in calls:
        threads.setdefault(thread, []).append(call)
    return threads


def _run(command: Sequence[str], cwd: Path | None) -> None:
    """Run a command silently; what the command itself exits with does not matter here."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("SUDO_")}
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, cwd=cwd, env=own, check=False
    )
    if b"snoop-capture:" in done.stderr and b" events, " not in done.stderr:
        raise SystemExit(done.stderr.decode(errors="replace"))


def parse_strace(lines: Iterable[str], table: Mapping[str, Syscall]) -> Iterator[tuple[int, Call]]:
    """The calls of ``table`` in the output of ``strace -f -qq -xx -o``, each after its thread's id.

    Raises:
        StraceError: a line is of no known form.
    """
    for thread, text in _whole_lines(lines):
        match = _CALL.fullmatch(text)
        if match is None:
            raise StraceError(f"not a system call: {text}")
        call = table.get(match["name"])
        arguments = _split(match["arguments"])
        if call is None or not _takes_path(call, arguments):
            continue
        result = _result(match["result"])
        for number, role in zip(call.paths, call.roles, strict=True):
            path = _path(arguments[number - 1])
            yield thread, Call(call.name, role if role in (OLD, NEW) else None, path, result)


def _whole_lines(lines: Iterable[str]) -> Iterator[tuple[int, str]]:
    """The calls, one a line after its thread's id, those put together that are in two parts."""
    begun: dict[str, str] = {}
    for line in lines:
        match = _LINE.fullmatch(line.rstrip("\n"))
        if match is None:
            raise StraceError(f"a line without a pid: {line}")
        pid, text = match["pid"], match["rest"]
        if text.startswith(_NOT_A_CALL):
            if text.startswith("+++") and "superseded" not in text and pid in begun:
                yield int(pid), f"{begun.pop(pid)}) = ?"  # it ended inside of the call
        elif resumed := _RESUMED.fullmatch(text):
            yield int(pid), begun.pop(pid) + resumed["rest"]
        elif moved := _MOVED.fullmatch(text):
            # A thread that is not the first calls execve: from here on it is the first.
            begun[moved["pid"]] = moved["text"]
        elif unfinished := _UNFINISHED.fullmatch(text):
            begun[pid] = unfinished["text"]
        else:
            yield int(pid), text


def _split(arguments: str) -> list[str]:
    """Arguments at the top level: commas inside of brackets do not count."""
    parts, depth, start = [], 0, 0
    for at, character in enumerate(arguments):
        if character in "([{":
            depth += 1
        elif character in ")]}":
            depth -= 1
        elif character == "," and depth == 0:
            parts.append(arguments[start:at].strip())
            start = at + 1
    return [*parts, arguments[start:].strip()]


def _takes_path(call: Syscall, arguments: Sequence[str]) -> bool:
    if call.act & ACT_SOCKET:
        return _ADDRESS.fullmatch(arguments[1]) is not None
    return call.name != "fsconfig" or arguments[1].startswith("FSCONFIG_SET_PATH")


def _path(argument: str) -> bytes | None:
    address = _ADDRESS.fullmatch(argument)
    text = _STRING.fullmatch(address["path"] if address else argument)
    if text:
        return None if text["cut"] else bytes.fromhex(text["hex"].replace("\\x", ""))
    if _POINTER.fullmatch(argument):
        return None
    raise StraceError(f"not a path: {argument}")


def _result(text: str) -> int | None:
    value, _, rest = text.partition(" ")
    name = rest.split(" ")[0]
    if value == "?" or name in _NO_RESULT:
        return None
    if value == "-1":
        return -int(getattr(errno, name))
    return int(value, 0)


def read_calls(
    session: Path, table: Mapping[str, Syscall], without: str | None = None
) -> Iterator[tuple[int, Call]]:
    """The calls of ``table`` in a sealed session, but those of a program, after their threads."""
    for _, segment in segments(session):
        columns = ["tid", "exe", "syscall", "path_role", "path", "path_bytes", "ret"]
        for row in pq.read_table(segment, columns=columns).to_pylist():
            if row["syscall"] in table and (without is None or row["exe"] != without):
                text = None if row["path"] is None else row["path"].encode()
                path = row["path_bytes"] if row["path_bytes"] is not None else text
                yield row["tid"], Call(row["syscall"], row["path_role"], path, row["ret"])


def made_equal(calls: Iterable[Call], rules: Mapping[str, str]) -> list[Call]:
    """``calls`` with every match of a rule's regular expression replaced by its text."""
    compiled = [(re.compile(rule.encode()), text.encode()) for rule, text in rules.items()]
    equal = []
    for call in calls:
        path = call.path
        for rule, text in compiled:
            path = None if path is None else rule.sub(text, path)
        equal.append(call._replace(path=path))
    return equal


@dataclass(frozen=True)
class Comparison:
    """Two multisets of calls; what is in one and not in the other."""

    shown: "Counter[Call]"
    recorded: "Counter[Call]"

    @property
    def missing(self) -> "Counter[Call]":
        """Shown by strace, not recorded."""
        return self.shown - self.recorded

    @property
    def extra(self) -> "Counter[Call]":
        """Recorded, not shown by strace."""
        return self.recorded - self.shown

    def lines(self) -> Iterator[str]:
        """The comparison as text: a table by syscall, then the differences."""
        yield f"{'syscall':<18}{'strace':>8}{'capture':>9}{'recall':>9}{'precision':>11}"
        both = self.shown & self.recorded
        names = sorted({call.syscall for call in self.shown | self.recorded})
        for name in [*names, None]:
            shown, recorded, common = (_count(c, name) for c in (self.shown, self.recorded, both))
            yield (
                f"{name or 'all':<18}{shown:>8}{recorded:>9}"
                f"{_share(common, shown):>9}{_share(common, recorded):>11}"
            )
        for word, calls in (("missing", self.missing), ("extra", self.extra)):
            for call, times in sorted(calls.items(), key=repr):
                path = "(unreadable)" if call.path is None else repr(call.path)[1:]
                yield f"{word} {times}× {call.syscall} {call.role or ''} {path} = {call.result}"


def compare(shown: Iterable[Call], recorded: Iterable[Call]) -> Comparison:
    """Compare the calls of two runs as multisets."""
    return Comparison(Counter(shown), Counter(recorded))


def _count(calls: "Counter[Call]", name: str | None) -> int:
    return sum(times for call, times in calls.items() if name in (None, call.syscall))


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else "-"


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--twice", action="store_true")
    parser.add_argument("--same", action="append", default=[], metavar="REGEX=TEXT")
    parser.add_argument("--cwd", type=Path, metavar="DIR")
    parser.add_argument("command", nargs="+", metavar="COMMAND")
    options = parser.parse_args()
    if options.twice:
        rules = dict(rule.rsplit("=", 1) for rule in options.same)
        comparison = compare(
            made_equal(strace(options.command, options.cwd), rules),
            made_equal(capture(options.command, options.cwd), rules),
        )
    else:
        shown, recorded = one_run(options.command, options.cwd)
        comparison = compare(chain(*shown.values()), chain(*recorded.values()))
    print("\n".join(comparison.lines()))
    return 1 if comparison.missing else 0


if __name__ == "__main__":
    sys.exit(main())
