# SPDX-License-Identifier: Apache-2.0
"""Keeps the recorder's memory small."""

import contextlib
import ctypes
import importlib
import os
import sys
from collections.abc import Iterator, Mapping
from importlib.machinery import ModuleSpec
from typing import Final

# mallopt(3); the numbers are from malloc.h.
_TRIM_THRESHOLD: Final = -1
_MMAP_THRESHOLD: Final = -3
_ARENA_MAX: Final = -8

_HEAVY: Final = ("pandas", "pyarrow.dataset")
_LARGE: Final = 32 << 20  # bytes; more than the columns of any batch

_SETTINGS: Final = {
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
    "OPENBLAS_NUM_THREADS": "1",
}


class _Refused:
    """Finds no module of the names that pyarrow would like to have."""

    @staticmethod
    def find_spec(name: str, *_: object) -> ModuleSpec | None:
        if name in _HEAVY:
            raise ModuleNotFoundError(f"the recorder does without {name}", name=name)
        return None


def refuse_heavy() -> None:
    """Have pyarrow work as if there were no pandas and no data sets.

    It imports pandas with the first array that it makes, 40 MB, to recognise what it is given; and
    ``pyarrow.dataset`` with the first grouping or ``read_table``, another 40 MB.
    """
    sys.meta_path.insert(0, _Refused)


def load_libraries() -> None:
    """Import NumPy and Arrow as a recorder wants them; call it before anything else does.

    All threads take their memory from one heap, and keep what is freed for the next. A recorder
    allocates a few megabytes of columns for each batch, in three threads. Arrow's own allocator and
    glibc's arenas keep for each thread what it once needed; and memory that goes back to the kernel
    costs a page fault every 4 KiB when it is wanted again, more than filling it. Other C libraries
    than glibc have no mallopt: there it is left as it is.

    The libraries start no thread. The environment is as it was afterwards: a recorded command
    has it, too.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_ARENA_MAX, 1)
        mallopt(_MMAP_THRESHOLD, _LARGE)
        mallopt(_TRIM_THRESHOLD, _LARGE)
    with _environment(_SETTINGS):
        importlib.import_module("numpy")
        importlib.import_module("pyarrow")


def give_back() -> None:
    """Return what is free to the kernel, malloc_trim(3): after work that is done now and then."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


@contextlib.contextmanager
def _environment(settings: Mapping[str, str]) -> Iterator[None]:
    """Environment variables as long as the block lasts."""
    before = {name: os.environ.get(name) for name in settings}
    os.environ.update(settings)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
