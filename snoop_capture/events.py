# SPDX-License-Identifier: Apache-2.0
"""From the ring's rows to the columns of the capture format.

Everything works on whole columns. Text is looked at once per distinct value: the dictionary of a
column is decoded, its rows are not.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from snoop_capture import layout, moved_bases, opcodes, rooted_bases, uring
from snoop_capture.rows import Rows
from snoop_capture.syscalls import Syscall
from snoop_capture.uring import RequestJoin
from snoop_format import schema
from snoop_format.calls import EXEC_INTERPRETER, NEED_NO_PATH

Array = NDArray[Any]

# A call interrupted by a signal returns one of these inside the kernel (include/linux/errno.h);
# user space never sees them: the call starts again or ends with EINTR.
_RESTART_FIRST: Final = -516
_RESTART_LAST: Final = -512
_ECANCELED: Final = -125

_NOTES: Final = (
    schema.BLOCKED,
    schema.RESTARTED,
    schema.CANCELLED,
    schema.UNREADABLE,
    schema.UNRESOLVED_BASE,
    schema.DELETED,
)
_ROLES: Final = (schema.OLD, schema.NEW)
_KINDS: Final = layout.KIND_ROLE * 2
_REAL_HEAD: Final = 16  # device and inode, before the names
UNNUMBERED: Final = schema.OPEN_EVENTS.remove(0)
"""An event's columns before it has its ``seq``, which whoever writes it gives."""
_TYPES: Final = {field.name: field.type for field in schema.OPEN_EVENTS}


class EventBuilder:
    """Makes record batches of schema ``UNNUMBERED`` from rows.

    ``cgroups`` are the ids of where they come from.

    Args:
        table: the syscalls by their place in the BPF table.
        clock_offset: nanoseconds from CLOCK_MONOTONIC to CLOCK_REALTIME.
        in_flight: gives the requests of io_uring that the BPF program has not seen complete.
    """

    def __init__(
        self,
        table: dict[int, Syscall],
        clock_offset: int,
        in_flight: Callable[[], set[int]],
    ) -> None:
        self.clock_offset = clock_offset
        self.cgroups: set[int] = set()
        self._requests = RequestJoin(in_flight)
        self._names = [*sorted({call.name for call in table.values()}), EXEC_INTERPRETER]
        self._name = np.zeros(_KINDS, np.int32)
        self._has_flags = np.zeros(_KINDS, bool)
        self._has_dirfd = np.zeros(_KINDS, bool)
        self._role = np.full(_KINDS, -1, np.int32)
        self._moves = np.zeros(_KINDS, np.uint8)
        self._needs_path = np.zeros(_KINDS, bool)
        for index, call in table.items():
            for number, role in enumerate(call.roles):
                kind = index | number << layout.KIND_ROLE_SHIFT
                self._name[kind] = self._names.index(call.name)
                self._has_flags[kind] = call.flags > 0
                self._has_dirfd[kind] = call.dirfds[number] > 0
                self._role[kind] = _ROLES.index(role) if role in _ROLES else -1
                self._moves[kind] = moved_bases.CALLS.get(call.name, 0)
                self._needs_path[kind] = call.name.removeprefix("io_uring:") not in NEED_NO_PATH

    def batch(self, rows: Rows) -> pa.RecordBatch:
        """The events of ``rows``, in order of time."""
        moves = self._moves[rows.kind & np.uint32(_KINDS - 1)]
        if moves.any():
            moved_bases.forget(rows, moves)
        rooted_bases.forget(rows)
        in_order = _orderer(rows.order)
        columns = self._call_columns(rows, in_order)
        columns |= _task_columns(rows, in_order)
        self.cgroups.update(rows.tasks["cgroup"].tolist())
        columns |= _path_columns(rows, in_order)
        columns |= _real_columns(rows, in_order)
        batch = pa.record_batch(
            [columns[field.name].cast(field.type) for field in UNNUMBERED], schema=UNNUMBERED
        )
        if self._requests.waiting or _has_requests(rows):
            batch = self._requests.join(_with_requests(batch, rows, in_order))
        return batch

    def rest(self) -> pa.RecordBatch | None:
        """At the end of a recording: events of io_uring whose result never came."""
        return self._requests.rest()

    def _call_columns(self, rows: Rows, in_order: "_Orderer") -> dict[str, pa.Array]:
        kind = in_order(rows.kind)
        mark = in_order(rows.mark)
        ret = in_order(rows.ret)
        call = kind & np.uint32(_KINDS - 1)
        has_flags = self._has_flags[call] & ~_is_set(kind, layout.KIND_NO_FLAGS)
        interpreter = _is_set(kind, layout.KIND_EXEC) & _is_set(kind, layout.KIND_ROLE)
        name = np.where(interpreter, len(self._names) - 1, self._name[call])
        restarted = (ret >= _RESTART_FIRST) & (ret <= _RESTART_LAST)
        cancelled = (ret == _ECANCELED) & _is_set(kind, layout.KIND_URING_DONE)
        unreadable = _is_set(mark, layout.MARK_NO_PATH) & self._needs_path[call] & (ret < 0)
        no_result = restarted | cancelled | _is_set(mark, layout.MARK_BLOCKED)
        ts = (in_order(rows.ts).astype(np.int64) + self.clock_offset) // 1000
        return {
            "ts": pa.array(ts).cast(pa.timestamp("us")).cast(_TYPES["ts"]),
            "syscall": _words(name, pa.array(self._names)),
            "dirfd": pa.array(in_order(rows.dirfd), mask=_mask(self._has_dirfd[call])),
            "flags": pa.array(in_order(rows.flags), mask=_mask(has_flags)),
            "ret": pa.array(ret, mask=_mask(~no_result)),
            "note": _words(_note(mark, restarted, cancelled, unreadable), pa.array(_NOTES)),
            "path_role": _words(self._role[call], pa.array(_ROLES)),
        }


_Orderer = Callable[[Array], Array]


def _orderer(order: Array | None) -> _Orderer:
    """A function that brings a column into the order of time."""
    if order is None:
        return lambda column: column
    return functools.partial(np.take, indices=order)


def _is_set(bits: Array, bit: int) -> Array:
    found: Array = np.not_equal(bits & np.uint32(bit), 0)
    return found


def _has_requests(rows: Rows) -> bool:
    return bool(np.any((rows.kind & np.uint32(layout.KIND_INDEX)) >= opcodes.FIRST))


def _with_requests(batch: pa.RecordBatch, rows: Rows, in_order: _Orderer) -> pa.RecordBatch:
    """Add the columns by which the rows of io_uring requests are joined."""
    kind = in_order(rows.kind)
    done = _is_set(kind, layout.KIND_URING_DONE)
    submitted = ((kind & np.uint32(layout.KIND_INDEX)) >= opcodes.FIRST) & ~done
    number, replaced = in_order(rows.flags).copy(), np.zeros(len(rows), np.uint64)
    if submitted.any():
        starts = in_order(rows.real_from)[submitted]
        number[submitted], replaced[submitted] = _words_at(rows.real_data, starts, 2).T
    return (
        batch.append_column(uring.REQUEST, pa.array(number, mask=~(submitted | done)))
        .append_column(uring.REPLACED, pa.array(replaced))
        .append_column(uring.DONE, pa.array(done))
    )


def _words_at(data: Array, starts: Array, count: int) -> Array:
    """``count`` words of 8 bytes from each start, unaligned; shape (len(starts), count)."""
    size = 8 * count
    windows = np.ndarray((len(data) - size + 1,), f"V{size}", data, strides=(1,))
    return windows[starts].view(np.uint64).reshape(-1, count)


def _mask(valid: Array) -> Array | None:
    """What Arrow calls a mask: true where the value is null; None where none is."""
    return None if valid.all() else ~valid


def _words(indices: Array, words: pa.Array) -> pa.Array:
    """A dictionary column; an index of -1 stands for null."""
    mask = _mask(indices >= 0)
    if mask is not None and mask.all():
        return pa.nulls(len(indices), _TYPES["note"])
    values = pa.array(indices.astype(np.int32, copy=False), mask=mask)
    return pa.DictionaryArray.from_arrays(values, words)


def _note(mark: Array, restarted: Array, cancelled: Array, unreadable: Array) -> Array:
    """Index into ``_NOTES`` or -1; where several hold, the first of them."""
    ordinary = not (mark & np.uint32(layout.MARK_UNUSUAL)).any()
    if ordinary and not (restarted | cancelled | unreadable).any():
        return np.full(len(mark), -1, np.int32)
    return np.select(
        [
            _is_set(mark, layout.MARK_BLOCKED),
            restarted,
            cancelled,
            _is_set(mark, layout.MARK_UNREADABLE) | unreadable,
            _is_set(mark, layout.MARK_BASE_UNRESOLVED),
            _is_set(mark, layout.MARK_BASE_DELETED | layout.MARK_REAL_DELETED),
        ],
        range(len(_NOTES)),
        default=-1,
    )


def _task_columns(rows: Rows, in_order: _Orderer) -> dict[str, pa.Array]:
    task = in_order(rows.task)
    tasks = rows.tasks
    comms = [escaped(comm.partition(b"\0")[0]) for comm in tasks["comm"].tolist()]
    exes = [escaped(walked(exe)) if exe else None for exe in rows.exes]
    return {
        "cgroup_id": pa.array(tasks["cgroup"][task]),
        "pid": pa.array(tasks["tgid"][task]),
        "tid": pa.array(tasks["tid"][task]),
        "ppid": pa.array(tasks["ppid"][task]),
        "uid": pa.array(tasks["uid"][task]),
        "comm": _distinct_words(comms, task),
        "exe": _distinct_words(exes, task),
    }


def _distinct_words(words: Sequence[str | None], indices: Array) -> pa.Array:
    """``words[i]`` for each index, as a dictionary column without repeats."""
    encoded = pa.array(words, pa.string()).dictionary_encode()
    number = encoded.indices.fill_null(-1).to_numpy()
    return _words(number[indices], encoded.dictionary)


def _path_columns(rows: Rows, in_order: _Orderer) -> dict[str, pa.Array]:
    encoded = _paths(rows).dictionary_encode()
    none = _is_set(in_order(rows.mark), layout.MARK_UNREADABLE | layout.MARK_NO_PATH)
    index = np.where(none, -1, in_order(encoded.indices.to_numpy()))
    path, path_bytes = _text(encoded.dictionary, index)
    bases = pa.array(rows.bases, pa.binary()).dictionary_encode()
    distinct = pa.array(map(walked, bases.dictionary.to_pylist()), pa.binary())
    base, base_bytes = _text(distinct, np.append(bases.indices, -1)[in_order(rows.base)])
    return {"path": path, "path_bytes": path_bytes, "base": base, "base_bytes": base_bytes}


def _paths(rows: Rows) -> pa.Array:
    """The paths as an Arrow binary array, without a copy: their ends are Arrow's offsets."""
    offsets = np.empty(len(rows) + 1, np.int32)
    offsets[0] = 0
    offsets[1:] = rows.path_ends
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(rows.path_data)]
    return pa.Array.from_buffers(pa.binary(), len(rows), buffers)


def _text(values: pa.Array, index: Array) -> tuple[pa.Array, pa.Array]:
    """Distinct binary values as text, and as bytes where they are not UTF-8, for each index.

    An index of -1 stands for null.
    """
    rows = len(index)
    mask = _mask(index >= 0)
    if mask is not None and mask.all():
        return pa.nulls(rows, _TYPES["path"]), pa.nulls(rows, pa.binary())
    indices = pa.array(index.astype(np.int32, copy=False), mask=mask)
    try:
        return (
            pa.DictionaryArray.from_arrays(indices, values.cast(pa.string())),
            pa.nulls(rows, pa.binary()),
        )
    except pa.ArrowInvalid:  # some are not UTF-8
        raw = values.to_pylist()
    text = [escaped(value) for value in raw]
    odd = [value if value.decode(errors="ignore").encode() != value else None for value in raw]
    return (
        pa.DictionaryArray.from_arrays(indices, pa.array(text, pa.string())),
        pa.array(odd, pa.binary()).take(indices),
    )


def _real_columns(rows: Rows, in_order: _Orderer) -> dict[str, pa.Array]:
    """What successful opens and execs led to. Few rows have it: only these are looked at."""
    count = len(rows)
    known = np.flatnonzero(_is_set(rows.mark, layout.MARK_HAS_ID | layout.MARK_HAS_REAL))
    if not len(known):
        return {
            "real_path": pa.nulls(count, _TYPES["real_path"]),
            "real_path_bytes": pa.nulls(count, pa.binary()),
            "dev": pa.nulls(count, pa.uint64()),
            "ino": pa.nulls(count, pa.uint64()),
        }
    heads = _words_at(rows.real_data, rows.real_from[known], 2)
    dev, ino, name = np.zeros(count, np.uint64), np.zeros(count, np.uint64), np.full(count, -1)
    dev[known], ino[known] = user_dev(heads[:, 0]), heads[:, 1]
    named = known[_is_set(rows.mark[known], layout.MARK_HAS_REAL)]
    data = rows.real_data.tobytes()
    ranges = zip(rows.real_from[named].tolist(), rows.real_to[named].tolist(), strict=True)
    names = pa.array(
        (walked(data[first + _REAL_HEAD : last]) for first, last in ranges), pa.binary()
    )
    encoded = names.dictionary_encode()
    name[named] = encoded.indices
    real_path, real_path_bytes = _text(encoded.dictionary, in_order(name))
    mask = _mask(in_order(_is_set(rows.mark, layout.MARK_HAS_ID)))
    return {
        "real_path": real_path,
        "real_path_bytes": real_path_bytes,
        "dev": pa.array(in_order(dev), mask=mask),
        "ino": pa.array(in_order(ino), mask=mask),
    }


def user_dev(dev: Array) -> Array:
    """The kernel's device numbers (12 bits major, 20 minor) as stat(2) shows them.

    The encoding is new_encode_dev() of include/linux/kdev_t.h.
    """
    major, minor = dev >> np.uint64(20), dev & np.uint64(0xFFFFF)
    low, high = minor & np.uint64(0xFF), minor & np.uint64(0xFFF00)
    shown: Array = low | (major << np.uint64(8)) | (high << np.uint64(12))
    return shown


def walked(names: bytes) -> bytes:
    """The absolute path of a walk: names from the leaf to the root, each ended by a NUL."""
    return b"/".join(names.split(b"\0")[::-1]) or b"/"


def escaped(value: bytes) -> str:
    """Bytes as text: bytes that are not UTF-8 escaped; the exact bytes stand elsewhere."""
    return value.decode(errors="backslashreplace")
