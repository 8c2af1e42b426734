# SPDX-License-Identifier: Apache-2.0
"""An exact LRU over whole arrays of accesses.

A cache of N files holds the N files accessed last. An access hits if fewer than N different
files were accessed since the last access to its file: its *distance* (Mattson et al. 1970,
"Evaluation techniques for storage hierarchies"). Distances are counted for a chunk at once.

Within a chunk let ``previous[i]`` be the position of the access before i to the same file: a
position in the chunk, or -1, -2, … for the file that was the most recent, the second most
recent, … when the chunk began. Of the accesses before i, those with a smaller ``previous`` are
each the first one to its file since ``previous[i]``, or stand at or before it. Hence

    distance[i] = #{j < i: previous[j] < previous[i]} - (previous[i] + 1)
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int64]
Mask = NDArray[np.bool_]

_NEVER: Final = np.iinfo(np.int64).min
# Chunks up to the capacity are the cheapest; very short ones are not, nor very long ones.
_CHUNK_LEAST: Final = 1 << 9
_CHUNK_OF_SMALL: Final = 1 << 14
_CHUNK_MOST: Final = 1 << 20


class Lru:
    """The files of one container in a cache with room for ``capacity`` (at least 1) of them.

    Args:
        capacity: files the cache holds.
        files: files there are; they are numbered from 0.
        chunk: accesses looked at in one step; the outcome does not depend on it.

    Attributes:
        recent: the files in the cache, least recently used first.
        misses: accesses that found their file absent, so far.
        evicted: files put out of the cache, so far.
    """

    def __init__(self, capacity: int, files: int, chunk: int = 0) -> None:
        self.capacity = capacity
        self.recent: Numbers = np.empty(0, np.int64)
        self.misses = 0
        self.evicted = 0
        best = capacity if capacity >= _CHUNK_LEAST else _CHUNK_OF_SMALL
        self._chunk = chunk or min(best, _CHUNK_MOST)
        self._last: Numbers = np.full(files, _NEVER)
        self._place: Numbers = np.zeros(files, np.int64)

    def access(self, files: Numbers) -> Mask:
        """Replay accesses to ``files``, in order; which of them missed."""
        missed = np.empty(len(files), np.bool_)
        for start in range(0, len(files), self._chunk):
            chunk = files[start : start + self._chunk]
            missed[start : start + self._chunk] = self._access_chunk(chunk)
        return missed

    def _access_chunk(self, files: Numbers) -> Mask:
        self._last[self.recent] = np.arange(-len(self.recent), 0)
        previous = self._previous(files)
        self._last[self.recent] = _NEVER
        missed = _distances(previous, self.capacity) >= self.capacity
        self._remember(files, int(missed.sum()))
        return missed

    def _previous(self, files: Numbers) -> Numbers:
        """Positions of the previous accesses, as the head of this module defines them.

        In a chunk no longer than the capacity every repeated access hits whatever its exact
        position, and counts for no other: 0 will do.
        """
        positions = np.arange(len(files))
        self._place[files[::-1]] = positions[::-1]
        first = self._place[files] == positions
        previous = np.where(first, self._last[files], 0)
        if len(files) > self.capacity:
            order = np.argsort(files, kind="stable")
            again = ~first[order]
            previous[order[again]] = order[np.flatnonzero(again) - 1]
        return previous

    def _remember(self, files: Numbers, misses: int) -> None:
        positions = np.arange(len(files))
        self._place[files] = positions
        touched = files[self._place[files] == positions]
        self._place[self.recent] = 0
        self._place[touched] = -1
        untouched = self.recent[self._place[self.recent] >= 0]
        before = len(self.recent)
        self.recent = np.concatenate([untouched, touched])[-self.capacity :]
        self.misses += misses
        self.evicted += before + misses - len(self.recent)


def _distances(previous: Numbers, capacity: int) -> Numbers:
    """Distance of every access of a chunk.

    Any value >= ``capacity`` where there is none; 0 where it is less whatever the chunk holds.
    """
    distances = np.full(len(previous), capacity)
    counted = _uncertain(previous, capacity)
    distances[~counted] = 0
    new = previous == _NEVER
    known = counted & ~new
    before = np.cumsum(new)[known] + _earlier_smaller(previous[known])
    distances[known] = before - (previous[known] + 1)
    return distances


def _uncertain(previous: Numbers, capacity: int) -> Mask:
    """Accesses that may miss, and those that count for their distance.

    Of a chunk no longer than the capacity these are first accesses, and not those to the files so
    recent that all others of the chunk could not put them out: only less recent ones count.
    """
    if len(previous) > capacity:
        return np.full(len(previous), True)
    first = previous < 0
    safe = capacity - np.count_nonzero(first)
    found: Mask = first & (previous < -safe)
    return found


def _earlier_smaller(values: Numbers) -> Numbers:
    """For each of the ``values``, all different, how many before it are smaller.

    Sorts by the ranks' bits from the highest down, as a wavelet tree does: elements whose higher
    bits are equal stand together in their old order, and one with a set bit has before it in
    its group just the smaller ones with that bit clear.
    """
    size = len(values)
    ranks = np.empty(size, np.int64)
    ranks[np.argsort(values)] = np.arange(size)
    here = np.arange(size)  # the element at each place
    counts = np.zeros(size, np.int64)
    for bit in reversed(range(max(size - 1, 0).bit_length())):
        rank = ranks[here]
        clear = (rank >> bit & 1) == 0
        start = rank >> bit + 1 << bit + 1
        clear_before = np.concatenate([[0], np.cumsum(clear)])
        clear_in_group = clear_before[:-1] - clear_before[start]
        counts[here] += np.where(clear, 0, clear_in_group)
        places = np.arange(size)
        moved = np.where(clear, start + clear_in_group, places - clear_in_group + (1 << bit))
        arranged = np.empty_like(here)
        arranged[moved] = here
        here = arranged
    return counts
