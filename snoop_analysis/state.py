# SPDX-License-Identifier: Apache-2.0
"""Where a replay ended, so that another can go on there."""

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa

from snoop_analysis.settings import Settings


@dataclass(frozen=True, slots=True)
class State:
    """Where a replay ended. As large as the number of files.

    Attributes:
        settings: of the replay; the next one must have the same.
        positions: the first seq not yet replayed, by host and id of the session.
        files: the files in the LRUs, columns as table ``carried_files`` of ``sql/carried.sql``
            with ``identity`` for ``container_no``.
        counts: what was counted, columns as ``carried_counts`` likewise.
        first_us: time of the first event in microseconds since 1970, null if none.
        last_us: time of the last event.
        implausible_times: events left out of the two before.
    """

    settings: Settings
    positions: Mapping[tuple[str, str], int]
    files: pa.Table
    counts: pa.Table
    first_us: int | None
    last_us: int | None
    implausible_times: int
