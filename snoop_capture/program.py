# SPDX-License-Identifier: Apache-2.0
"""The attached BPF program as the recorder holds it: file descriptors and shared memory."""

import ctypes
import errno
import mmap
import os
import struct
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from snoop_capture import tracepoints
from snoop_capture.errors import CaptureError
from snoop_capture.layout import LOSS_CAUSES, MOST_IN_FLIGHT, MOST_LOSSES, Layout
from snoop_capture.loading import Loader
from snoop_capture.tracepoints import SYS_ENTER

_NUMBER: Final = struct.Struct("=I")
_ID: Final = struct.Struct("=Q")
_WATCHED_AT: Final = 16
_SECCOMP_AT: Final = 24
_LEFT_OUT_AT: Final = 28
# struct bpf_prog_info up to what says how often a program was not run, since 5.12 (linux/bpf.h).
_PROGRAM_INFO: Final = struct.Struct("=208xQ")
# Those without which nothing is lost: they only make room.
_LOSE_NOTHING: Final = {"program:on_exit"}

_SLOWER: Final = (
    "this kernel refuses the BPF program in its quickest form, so that each recorded call costs "
    "20 to 170 ns more; nothing is missed. Please report the kernel's version, and this: {}"
)

NOT_RUN: Final = "not_run"
"""Why events may be lost that the kernel did not run the program for: a cause beside the others."""


class Program:
    """The BPF program, attached; it runs until ``close``.

    Attributes:
        is_on_events: whether it runs on perf's events.
        form: how it loads the kernel's memory, the name of an ``offsets.Form``.
        obstacle: why it is not on events, where it would have to be, for it is preempted otherwise.
        warnings: what is not as it should be, and what to do about it.

    Args:
        layout: of the ring.
        events: whether it is to run on perf's events, where it is never preempted, instead of raw
            tracepoints, which cost less; by default where that matters and is possible.
        loader: one that has been started already.

    Raises:
        CaptureError: it cannot be compiled, loaded or attached here.
    """

    def __init__(
        self, layout: Layout, events: bool | None = None, loader: Loader | None = None
    ) -> None:
        self.layout = layout
        with loader or Loader() as loading:
            reply, self.descriptors = loading.load(layout.macros(), events)
        self.is_on_events: bool = reply["events"]
        self.form: str = reply["form"]
        self.obstacle: str | None = reply["obstacle"]
        self.warnings = [self.obstacle] if self.obstacle else []
        if reply["refusal"]:
            self.warnings.append(_SLOWER.format(reply["refusal"]))
        self._config = self.map_memory("config", mmap.PAGESIZE)
        self._roots = 0
        self._left_out = 0
        self._programs = [
            descriptor
            for name, descriptor in self.descriptors.items()
            if name.startswith("program:") and name not in _LOSE_NOTHING
        ]
        self._not_run_before = self._not_run()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def map_memory(self, name: str, size: int) -> mmap.mmap:
        """The memory of an mmapable map, shared with the BPF program; ``size`` in bytes."""
        pages = -(-size // mmap.PAGESIZE) * mmap.PAGESIZE
        return mmap.mmap(self.descriptors[name], pages)

    def leave_out(self, cgroup: Path) -> None:
        """Never record a cgroup or what is below it, whatever is chosen later.

        Raises:
            CaptureError: it is not there, or the kernel does not let this process choose.
        """
        self._left_out |= 1 << self._roots
        self._config[_LEFT_OUT_AT : _LEFT_OUT_AT + 4] = struct.pack("=I", self._left_out)
        self.choose(cgroup)

    def choose(self, cgroup: Path) -> None:
        """Record a cgroup, by its directory, and all below it, from ``begin`` on.

        Raises:
            CaptureError: it is not there, or the kernel does not let this process choose.
        """
        try:
            directory = os.open(cgroup, os.O_RDONLY | os.O_DIRECTORY)
            try:
                left_out = self._left_out >> self._roots & 1
                root_id = os.fstat(directory).st_ino
                _update(self.descriptors["root_ids"], _ID.pack(root_id), _NUMBER.pack(left_out))
                _update(
                    self.descriptors["roots"], _NUMBER.pack(self._roots), _NUMBER.pack(directory)
                )
            finally:
                os.close(directory)
        except OSError as error:
            raise CaptureError(f"cannot record the cgroup {cgroup}: {error.strerror}") from error
        self._roots += 1

    def know(self, processes: Iterable[int]) -> None:
        """Tell of processes that are in the chosen cgroups already, by their numbers.

        Raises:
            CaptureError: the kernel does not let this process tell.
        """
        for process in processes:
            try:
                now = _ID.pack(time.monotonic_ns())
                _update(self.descriptors["processes"], _NUMBER.pack(process), now)
            except OSError as error:
                raise CaptureError(f"cannot write to a BPF map: {error.strerror}") from error

    def begin(self) -> None:
        """Record what was chosen from now on; it takes no privilege."""
        self._config[0:4] = struct.pack("=I", self._roots)

    def let_go(self) -> None:
        """Processes that go on in other cgroups count as moved out no longer."""
        for name in ("link:on_fork", "link:on_move"):
            if name in self.descriptors:
                os.close(self.descriptors.pop(name))

    def begin_segment(self, number: int) -> None:
        """Have every file named anew (``real_path``), so that each segment stands alone."""
        self._config[4:8] = struct.pack("=I", number)

    @property
    def attached(self) -> bool:
        """Is the program on its hooks?"""
        return "link:on_sys_exit" in self.descriptors

    @property
    def records_uring(self) -> bool:
        """Are calls made through io_uring recorded? Before Linux 6.0 they are not."""
        return "program:on_uring_submit" in self.descriptors

    def watch_seccomp(self) -> None:
        """Once a seccomp filter might have answered a traced call, watch what calls enter with.

        Raises:
            CaptureError: the program cannot be attached any more.
        """
        if "link:on_sys_enter" in self.descriptors or not self._config[_SECCOMP_AT]:
            return
        try:
            self.descriptors["link:on_sys_enter"] = self._attach_sys_enter()
        except OSError as error:
            raise CaptureError(f"cannot attach to {SYS_ENTER}: {error.strerror}") from error
        self._config[_WATCHED_AT : _WATCHED_AT + 8] = struct.pack("=Q", time.monotonic_ns())

    def rehearse(self) -> None:
        """Do what takes a privilege on some kernels, in a process that ends then: to no effect.

        Raises:
            CaptureError, OSError: the kernel refuses.
        """
        self.losses()
        self.not_run()
        if not self.is_on_events:
            self._attach_sys_enter()

    def _attach_sys_enter(self) -> int:
        program = self.descriptors["program:on_sys_enter"]
        if not self.is_on_events:
            return tracepoints.attach_raw(SYS_ENTER, program)
        tracepoints.attach(self.descriptors["event:on_sys_enter"], program)
        return self.descriptors.pop("event:on_sys_enter")

    def detach(self) -> None:
        """Take the program off its hooks; what is in the ring stays readable."""
        for name in [n for n in self.descriptors if n.startswith("link:")]:
            os.close(self.descriptors.pop(name))

    def losses(self) -> dict[int, dict[str, int]]:
        """Lost events by cgroup id and cause."""
        found: dict[int, dict[str, int]] = {}
        for key, value in _entries(self.descriptors["losses"], 16, 8, MOST_LOSSES).items():
            cgroup, cause, _ = struct.unpack("=QII", key)
            found.setdefault(cgroup, {})[LOSS_CAUSES[cause]] = int.from_bytes(value, sys.byteorder)
        return found

    def in_flight(self) -> set[int]:
        """The requests of io_uring that have not completed, by their numbers."""
        entries = _entries(self.descriptors["in_flight"], 8, 8, MOST_IN_FLIGHT)
        return {int.from_bytes(value, sys.byteorder) for value in entries.values()}

    def not_run(self) -> int:
        """How often the kernel left a program out, because it was interrupted on that CPU.

        For calls of all cgroups, and of all kinds: no more events are lost by that.
        """
        return self._not_run() - self._not_run_before

    def _not_run(self) -> int:
        return sum(map(_times_not_run, self._programs))

    def close(self) -> None:
        """Detach, and give the kernel's memory back."""
        self.detach()
        self._config.close()
        while self.descriptors:
            os.close(self.descriptors.popitem()[1])


def _times_not_run(descriptor: int) -> int:
    """0 also where the kernel does not count it, bpf(2) BPF_OBJ_GET_INFO_BY_FD.

    Raises:
        CaptureError: the kernel does not let this process ask.
    """
    libbpf = ctypes.CDLL("libbpf.so.1", use_errno=True)
    info = ctypes.create_string_buffer(_PROGRAM_INFO.size)
    size = ctypes.c_uint32(_PROGRAM_INFO.size)
    if libbpf.bpf_obj_get_info_by_fd(descriptor, info, ctypes.byref(size)):
        raise CaptureError(f"cannot ask for a BPF program: {os.strerror(ctypes.get_errno())}")
    (times,) = _PROGRAM_INFO.unpack(info.raw)
    return int(times)


def _update(descriptor: int, key: bytes, value: bytes) -> None:
    """Set an entry of a map, bpf(2) BPF_MAP_UPDATE_ELEM.

    Raises:
        OSError: the kernel refuses.
    """
    libbpf = ctypes.CDLL("libbpf.so.1", use_errno=True)
    if libbpf.bpf_map_update_elem(descriptor, key, value, ctypes.c_uint64(0)):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _entries(descriptor: int, key_size: int, value_size: int, most: int) -> dict[bytes, bytes]:
    """The entries of a hash map, bpf(2) BPF_MAP_GET_NEXT_KEY and BPF_MAP_LOOKUP_ELEM.

    All of them, unless the program removes some meanwhile: behind a key that is gone the kernel
    begins with the first one again. So it is asked no more often than there can be entries.

    Raises:
        CaptureError: the kernel does not let this process read it.
    """
    libbpf = ctypes.CDLL("libbpf.so.1", use_errno=True)
    key = ctypes.create_string_buffer(key_size)
    value = ctypes.create_string_buffer(value_size)
    entries: dict[bytes, bytes] = {}
    more = libbpf.bpf_map_get_next_key(descriptor, None, key)
    for _ in range(most):
        if more != 0:
            break
        if libbpf.bpf_map_lookup_elem(descriptor, key, value) == 0:
            entries[key.raw] = value.raw
        more = libbpf.bpf_map_get_next_key(descriptor, key, key)
    if more != 0 and ctypes.get_errno() != errno.ENOENT:
        raise CaptureError(f"cannot read a BPF map: {os.strerror(ctypes.get_errno())}")
    return entries
