# SPDX-License-Identifier: Apache-2.0
"""Settings of other programs, to compare with what they report."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Profile:
    """The calls a program looks at, and how many files it keeps for each container."""

    syscalls: tuple[str, ...]
    max_unique_files: int


GO_SNOOP: Final = "go-snoop"

PROFILES: Final = {
    # imjasonh/snoop: pkg/ebpf/probe.go and pkg/config/config.go
    GO_SNOOP: Profile(
        syscalls=(
            "openat",
            "openat2",
            "execve",
            "execveat",
            "statx",
            "newfstatat",
            "faccessat",
            "faccessat2",
            "readlinkat",
        ),
        max_unique_files=100_000,
    ),
}
