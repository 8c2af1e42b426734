# SPDX-License-Identifier: Apache-2.0
"""The LRU over arrays is the LRU one access at a time."""

from collections import OrderedDict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from snoop_analysis.lru import Lru

ACCESSES = st.lists(st.integers(0, 20), max_size=80)


@given(ACCESSES, st.integers(1, 25), st.integers(1, 90), st.integers(0, 80))
def test_equals_the_plain_lru(accesses: list[int], capacity: int, chunk: int, cut: int) -> None:
    lru = Lru(capacity, 21, chunk)
    parts = [lru.access(np.array(part, np.int64)) for part in (accesses[:cut], accesses[cut:])]
    missed, cache = plain(accesses, capacity)
    assert np.concatenate(parts).tolist() == missed
    assert lru.recent.tolist() == list(cache)
    assert lru.misses == sum(missed)
    assert lru.evicted == sum(missed) - len(cache)


def plain(accesses: list[int], capacity: int) -> tuple[list[bool], OrderedDict[int, None]]:
    cache: OrderedDict[int, None] = OrderedDict()
    missed = []
    for file in accesses:
        missed.append(file not in cache)
        cache[file] = None
        cache.move_to_end(file)
        if len(cache) > capacity:
            cache.popitem(last=False)
    return missed, cache


@pytest.mark.parametrize("capacity", [1, 7, 500, 1 << 17])
def test_long_runs(capacity: int) -> None:
    accesses = np.random.default_rng(capacity).zipf(1.3, 200_000) % 3000
    missed, cache = plain(accesses.tolist(), capacity)
    lru = Lru(capacity, 3000)
    assert lru.access(accesses).tolist() == missed
    assert lru.recent.tolist() == list(cache)
