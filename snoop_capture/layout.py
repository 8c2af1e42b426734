# SPDX-License-Identifier: Apache-2.0
"""The memory that bpf/block.h describes and ring.py reads, and the numbers both must agree on.

The ring is cut into blocks; a CPU that needs one takes any that is free. A block holds rows column
by column (so that reading it is slicing it), a table of the tasks that made them and one of the
directories that relative paths start from, and an area with two lanes of bytes: paths, and names
that a walk to the root found, child first (of bases, of what an open led to, of executables). A
lane may be overrun by one row's entries, for which it has a margin.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from snoop_capture.errors import CaptureError
from snoop_capture.limits import MAX_RING, MIN_RING

WALK_BYTES: Final = 4096
NAME_BYTES: Final = 256
_PATH_MARGIN: Final = 4097 + 7
# What one row may add to the names: an executable, a base and what an open led to.
_NAMES_MARGIN: Final = 3 * (WALK_BYTES + NAME_BYTES + 16)

_BLOCKS_PER_CPU: Final = 8
WALK_EXE: Final = 1
WALK_BASE: Final = 2
WALK_REAL: Final = 4

_MIN_BLOCK: Final = 64 << 10  # below this the margins of the lanes would outweigh it
_MAX_BLOCK: Final = 2 << 20  # an array element may have 4 MiB on older kernels

# Bytes of a row in a block: its columns, and its mean share of the lanes and of the task table.
_COLUMN_BYTES: Final = 52
_PATH_SHARE: Final = 48
_NAMES_SHARE: Final = 32
_TASK_BYTES: Final = 56
_ROWS_PER_TASK: Final = 4
_BASE_BYTES: Final = 16
_ROWS_PER_BASE: Final = 4

# Why an event was lost, in the order of the counters.
LOSS_CAUSES: Final = ("ring_full", "busy", "tail_call")

# Entries that the maps have room for.
MOST_LOSSES: Final = 16384
MOST_IN_FLIGHT: Final = 16384

# Bits of the column `mark`.
MARK_UNREADABLE: Final = 1
MARK_HAS_BASE: Final = 2
MARK_BASE_UNRESOLVED: Final = 4
MARK_BASE_DELETED: Final = 8
MARK_HAS_ID: Final = 16
MARK_HAS_REAL: Final = 32
MARK_REAL_DELETED: Final = 64
MARK_REAL_UNRESOLVED: Final = 128
MARK_BLOCKED: Final = 256
MARK_NO_PATH: Final = 512  # the program passed NULL
# The bits that an ordinary row does not have.
MARK_UNUSUAL: Final = 0x1FF & ~(MARK_HAS_BASE | MARK_HAS_ID | MARK_HAS_REAL)

# Bits of the column `kind`: the place in the syscall table, then what kind of row it is.
KIND_INDEX: Final = 0x7FF
KIND_ROLE_SHIFT: Final = 11
KIND_ROLE: Final = 1 << KIND_ROLE_SHIFT
KIND_EXEC: Final = 1 << 12
KIND_NO_FLAGS: Final = 1 << 13  # the call has some, but they were not to be had
KIND_IN_ROOT: Final = 1 << 14
KIND_URING_DONE: Final = 1 << 15

TASK: Final = np.dtype(
    [
        ("cgroup", "u8"),
        ("tgid", "u4"),
        ("tid", "u4"),
        ("ppid", "u4"),
        ("uid", "u4"),
        ("comm", "S16"),
        ("execs", "u4"),
        ("exe_from", "u4"),
        ("exe_to", "u4"),
        ("spare", "u4"),
    ]
)

BASE: Final = np.dtype([("hash", "u8"), ("from", "u4"), ("to", "u4")])
NO_BASE: Final = 0xFFFFFFFF

TURNS: Final = np.dtype([("taken", "u8"), ("released", "u8")])

CONTROL: Final = np.dtype(
    [
        ("serial", "u8"),
        ("place", "u8"),
        ("tried", "u8"),
        ("verdict", "u8"),
        ("uring_rings", "u8"),
        ("moved_out", "u8"),
        ("lost", "u8", (len(LOSS_CAUSES),)),
    ]
)


@dataclass(frozen=True, slots=True)
class Layout:
    """Sizes of the ring for ``cpus`` CPUs; bytes unless said otherwise.

    ``blocks`` is the number of all of them, ``rows``, ``tasks`` and ``bases`` that of each.
    """

    cpus: int
    blocks: int
    rows: int
    tasks: int
    bases: int
    path_bytes: int
    names_bytes: int

    @property
    def names_start(self) -> int:
        """Where in a block's area the names begin."""
        return self.path_bytes + _PATH_MARGIN

    @property
    def area_bytes(self) -> int:
        """Size of the area of a block."""
        return -(-(self.names_start + self.names_bytes + _NAMES_MARGIN) // 8) * 8

    @property
    def block(self) -> np.dtype[np.void]:
        """``struct block`` of bpf/block.h."""
        rows = (self.rows,)
        return np.dtype(
            [
                ("rows", "u4"),
                ("tasks", "u4"),
                ("bases", "u4"),
                ("path_end", "u4"),
                ("names_end", "u4"),
                ("cpu", "u4"),
                ("serial", "u8"),
                ("ts", "u8", rows),
                ("flags", "u8", rows),
                ("kind", "u4", rows),
                ("mark", "u4", rows),
                ("ret", "i4", rows),
                ("dirfd", "i4", rows),
                ("task", "u4", rows),
                ("path_to", "u4", rows),
                ("base", "u4", rows),
                ("real_from", "u4", rows),
                ("real_to", "u4", rows),
                ("task_table", TASK, (self.tasks,)),
                ("base_table", BASE, (self.bases,)),
                ("area", "u1", (self.area_bytes,)),
            ],
        )

    def macros(self) -> dict[str, int]:
        """The ``-D`` macros with which the BPF program gets the same sizes and numbers."""
        return {
            "CPUS": self.cpus,
            "BLOCKS": self.blocks,
            "ROWS": self.rows,
            "WHOS": self.tasks,
            "BASES": self.bases,
            "PATH_BYTES": self.path_bytes,
            "NAMES_BYTES": self.names_bytes,
            "NAMES_START": self.names_start,
            "AREA_BYTES": self.area_bytes,
            "MOST_LOSSES": MOST_LOSSES,
            "MOST_IN_FLIGHT": MOST_IN_FLIGHT,
            "LOSS_CAUSES": len(LOSS_CAUSES),
            **{f"LOST_{cause.upper()}": number for number, cause in enumerate(LOSS_CAUSES)},
            **{
                name: value
                for name, value in globals().items()
                if name.startswith(("MARK_", "KIND_", "WALK_"))
            },
        }


def layout_for(ring_bytes: int, cpus: int) -> Layout:
    """Cut a ring of ``ring_bytes`` in all into blocks for ``cpus`` CPUs.

    Raises:
        CaptureError: the size is outside of ``MIN_RING`` … ``MAX_RING``.
    """
    if not MIN_RING <= ring_bytes <= MAX_RING:
        raise CaptureError(
            f"a ring buffer of {ring_bytes} bytes is not possible: "
            f"give {MIN_RING} to {MAX_RING} (for example 16M)"
        )
    per_cpu = ring_bytes // cpus
    blocks = max(2, min(_BLOCKS_PER_CPU, per_cpu // _MIN_BLOCK), -(-per_cpu // _MAX_BLOCK))
    row = (
        _COLUMN_BYTES + _PATH_SHARE + _NAMES_SHARE
        + _TASK_BYTES // _ROWS_PER_TASK + _BASE_BYTES // _ROWS_PER_BASE
    )  # fmt: skip
    rows = max(2, per_cpu // blocks // row // 2 * 2)
    tasks = max(1, rows // _ROWS_PER_TASK)
    return Layout(
        cpus=cpus,
        blocks=blocks * cpus,
        rows=rows,
        tasks=tasks,
        bases=max(1, rows // _ROWS_PER_BASE),
        path_bytes=rows * _PATH_SHARE,
        names_bytes=rows * _NAMES_SHARE,
    )
