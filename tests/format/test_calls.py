# SPDX-License-Identifier: Apache-2.0
"""The calls that the format names are those that the recorder records."""

from snoop_capture.opcodes import OPCODES
from snoop_capture.syscalls import syscall_table
from snoop_format.calls import CALLS, EXEC_INTERPRETER


def test_calls_are_those_of_the_recorder() -> None:
    recorded = {
        call.name for machine in ("x86_64", "aarch64") for call in syscall_table(machine).values()
    }
    assert recorded | {one.call().name for one in OPCODES} | {EXEC_INTERPRETER} == CALLS
