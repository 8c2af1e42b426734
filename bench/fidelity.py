# SPDX-License-Identifier: Apache-2.0
"""How faithful is a recording? Compares it with what strace shows of the same command.

    python bench/fidelity.py [--same REGEX=TEXT]... [--cwd DIR] -- COMMAND ARG...

The command runs twice, once under ``strace -f``, once under ``snoop-capture run``. A line per
syscall says how many (path, result) pairs strace showed, how many of them are in the capture
(recall), and how many of the capture's rows strace showed (precision); then every difference.
The command must do the same both times. Names that it makes up (``/tmp/ccD4kX1a.o``) are made
equal with ``--same``: here ``--same '/tmp/cc[A-Za-z0-9]{6}=/tmp/ccX'``. Exit code 1: something
that strace showed is missing.

Compared are the calls of the recorder's own table (snoop_capture/syscalls.py).
"""

import argparse
import errno
import os
import platform
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import pyarrow.parquet as pq

from snoop_capture.syscalls import COMPAT, Syscall, syscall_table
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
    table = table_here()
    wanted = ",".join(["%file", *(f"?{name}" for name in table)])
    with tempfile.NamedTemporaryFile("r", encoding="ascii") as output:
        # -xx: every string in hexadecimal, so that no quote or comma can be part of one.
        options = ["-f", "-qq", "-xx", "-s", "5000", "-e", f"trace={wanted}", "-o", output.name]
        _run(["strace", *options, "--", *command], cwd)
        return list(parse_strace(output, table))


def capture(command: Sequence[str], cwd: Path | None = None) -> list[Call]:
    """Record ``command``; the rows as calls."""
    with tempfile.TemporaryDirectory() as directory:
        _run([SNOOP_CAPTURE, "run", "-o", directory, "--", *command], cwd)
        (session,) = Path(directory).iterdir()
        return read_calls(session, table_here())


def _run(command: Sequence[str], cwd: Path | None) -> None:
    """Run a command silently; what the command itself exits with does not matter here."""
    own = {name: value for name, value in os.environ.items() if not name.startswith("SUDO_")}
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, cwd=cwd, env=own, check=False
    )
    if b"snoop-capture:" in done.stderr and b" events, " not in done.stderr:
        raise SystemExit(done.stderr.decode(errors="replace"))


def parse_strace(lines: Iterable[str], table: Mapping[str, Syscall]) -> Iterator[Call]:
    """The calls of ``table`` in the output of ``strace -f -qq -xx -o``.

    Raises:
        StraceError: a line is of no known form.
    """
    for text in _whole_lines(lines):
        match = _CALL.fullmatch(text)
        if match is None:
            raise StraceError(f"not a system call: {text}")
        call = table.get(match["name"])
        if call is None:
            continue
        arguments = _split(match["arguments"])
        result = _result(match["result"])
        for number, role in zip(call.paths, call.roles, strict=True):
            path = _path(arguments[number - 1])
            yield Call(call.name, role if role in (OLD, NEW) else None, path, result)


def _whole_lines(lines: Iterable[str]) -> Iterator[str]:
    """The calls, one a line without the pid, those put together that strace shows in two parts."""
    begun: dict[str, str] = {}
    for line in lines:
        match = _LINE.fullmatch(line.rstrip("\n"))
        if match is None:
            raise StraceError(f"a line without a pid: {line}")
        pid, text = match["pid"], match["rest"]
        if text.startswith(_NOT_A_CALL):
            if text.startswith("+++") and "superseded" not in text and pid in begun:
                yield f"{begun.pop(pid)}) = ?"  # it ended inside of the call
        elif resumed := _RESUMED.fullmatch(text):
            yield begun.pop(pid) + resumed["rest"]
        elif moved := _MOVED.fullmatch(text):
            # A thread that is not the first calls execve: from here on it is the first.
            begun[moved["pid"]] = moved["text"]
        elif unfinished := _UNFINISHED.fullmatch(text):
            begun[pid] = unfinished["text"]
        else:
            yield text


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


def _path(argument: str) -> bytes | None:
    text = _STRING.fullmatch(argument)
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


def read_calls(session: Path, table: Mapping[str, Syscall]) -> list[Call]:
    """The calls of ``table`` in a sealed session."""
    calls = []
    for _, segment in segments(session):
        columns = ["syscall", "path_role", "path", "path_bytes", "ret"]
        for row in pq.read_table(segment, columns=columns).to_pylist():
            if row["syscall"] in table:
                text = None if row["path"] is None else row["path"].encode()
                path = row["path_bytes"] if row["path_bytes"] is not None else text
                calls.append(Call(row["syscall"], row["path_role"], path, row["ret"]))
    return calls


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
    parser.add_argument("--same", action="append", default=[], metavar="REGEX=TEXT")
    parser.add_argument("--cwd", type=Path, metavar="DIR")
    parser.add_argument("command", nargs="+", metavar="COMMAND")
    options = parser.parse_args()
    rules = dict(rule.rsplit("=", 1) for rule in options.same)
    comparison = compare(
        made_equal(strace(options.command, options.cwd), rules),
        made_equal(capture(options.command, options.cwd), rules),
    )
    print("\n".join(comparison.lines()))
    return 1 if comparison.missing else 0


if __name__ == "__main__":
    sys.exit(main())
