# SPDX-License-Identifier: Apache-2.0
"""The table of system calls agrees with the kernel's headers (linux-libc-dev) and with strace."""

import dataclasses
import platform
import re
import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest

from snoop_capture.opcodes import FIRST, OPCODES
from snoop_capture.syscalls import COMPAT, Syscall, syscall_table
from tests.capture.conftest import Build

_INCLUDE = Path("/usr/include")
HEADERS = {
    "x86_64": "x86_64-linux-gnu/asm/unistd_64.h",
    "i386": "x86_64-linux-gnu/asm/unistd_32.h",
    "aarch64": "asm-generic/unistd.h",
}
# What arch/arm64/include/uapi/asm/unistd.h sets before it includes the generic header.
ARM64 = [f"-D__ARCH_WANT_{name}" for name in ("RENAMEAT", "NEW_STAT", "SET_GET_RLIMIT")]


@cache
def header(machine: str) -> dict[str, int]:
    """Call name to number, as the header has it."""
    file = _INCLUDE / HEADERS[machine]
    if not file.exists():
        pytest.skip(f"there is no {file}: install Debian's linux-libc-dev, on an x86-64 machine")
    defines = subprocess.run(
        ["gcc", "-E", "-dM", *ARM64, file], capture_output=True, text=True, check=True
    ).stdout
    found = dict(re.findall(r"^#define __NR(?:3264)?_(\w+) (\w+)$", defines, re.MULTILINE))
    numbers = {}
    for name, value in found.items():
        while not value.isdigit():
            value = re.findall(rf"^#define {value} (\w+)$", defines, re.MULTILINE)[0]
        numbers[name] = int(value)
    numbers.pop("syscalls", None)  # the generic header's count
    return numbers


def ours(machine: str) -> dict[str, int]:
    """Call name to number, as the table has it."""
    first = COMPAT if machine == "i386" else 0
    table = syscall_table("x86_64" if machine == "i386" else machine)
    return {
        call.name: index - first for index, call in table.items() if first <= index < first + COMPAT
    }


@pytest.mark.parametrize("machine", HEADERS)
def test_numbers_are_the_kernels(machine: str) -> None:
    known = header(machine)
    table = ours(machine)
    assert {n: known[n] for n in table if n in known} == {n: table[n] for n in table if n in known}


@pytest.mark.parametrize("machine", HEADERS)
def test_calls_that_the_header_does_not_know_are_newer_than_it(machine: str) -> None:
    last = max(header(machine).values())
    unknown = {
        name: number for name, number in ours(machine).items() if name not in header(machine)
    }
    assert all(number > last for number in unknown.values()), unknown


@pytest.mark.parametrize("machine", HEADERS)
def test_no_call_of_the_table_is_left_out_where_the_architecture_has_it(machine: str) -> None:
    names = {name for other in HEADERS for name in ours(other)}
    assert names & set(header(machine)) == set(ours(machine)) & set(header(machine))


# In strace's class, and not in the table: it takes no path (snoop_capture/syscalls.py).
NOT_OURS = {"getcwd"}


# Whose calls programs make here, and what makes the compiler build such a program.
MACHINES = {"x86_64": [("x86_64", "-m64"), ("i386", "-m32")], "aarch64": [("aarch64", "-O1")]}


@pytest.mark.parametrize(("machine", "flag"), MACHINES[platform.machine()])
def test_the_table_has_what_strace_calls_file(
    build: Build, tmp_path: Path, machine: str, flag: str
) -> None:
    if shutil.which("strace") is None:
        pytest.skip("strace is not installed")
    output = tmp_path / "output"
    tracer = ["strace", "-qq", "-e", "trace=%file", "-o", str(output)]
    subprocess.run([*tracer, build("numbers", flag), "600"], check=True)
    shown = set(re.findall(r"^(?!syscall_0x)(\w+)\(", output.read_text(), re.MULTILINE))
    assert len(shown) > 50
    assert shown - NOT_OURS <= set(ours(machine))


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_paths_come_after_their_dirfd(machine: str) -> None:
    for call in syscall_table(machine).values():
        assert 1 <= len(call.paths) <= 2, call
        assert len(call.paths) == len(call.dirfds) == len(call.roles)
        for path, dirfd in zip(call.paths, call.dirfds, strict=True):
            assert 1 <= path <= 6
            assert 0 <= dirfd < path or call.name == "fsconfig", call


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_a_call_has_the_same_arguments_on_every_architecture(machine: str) -> None:
    def arguments(call: Syscall) -> Syscall:
        return dataclasses.replace(call, output_words=0)  # structures differ in size

    x86 = {call.name: arguments(call) for call in syscall_table("x86_64").values()}
    x86.pop("fanotify_mark")  # its 64-bit mask takes two registers of 32-bit calls
    for call in map(arguments, syscall_table(machine).values()):
        assert x86.get(call.name, call) == call


def test_two_paths_have_two_roles() -> None:
    calls: set[Syscall] = set(syscall_table("x86_64").values())
    two = [call for call in calls if len(call.paths) == 2]
    assert all(sorted(call.roles) == ["new", "old"] for call in two), two


def test_calls_and_requests_have_places_of_their_own() -> None:
    assert max(syscall_table("x86_64")) < 2 * COMPAT <= FIRST
    assert len({opcode.number for opcode in OPCODES}) == len(OPCODES)


def test_an_unknown_architecture_has_no_table() -> None:
    with pytest.raises(KeyError):
        syscall_table("pdp11")
