# SPDX-License-Identifier: Apache-2.0
"""Submissions and completions of io_uring meet, also in different batches."""

from typing import Any

import pyarrow as pa
import pytest

from snoop_capture.events import UNNUMBERED
from snoop_capture.uring import DONE, REPLACED, REQUEST, RequestJoin

SCHEMA = (
    UNNUMBERED.append(pa.field(REQUEST, pa.uint64()))
    .append(pa.field(REPLACED, pa.uint64()))
    .append(pa.field(DONE, pa.bool_()))
)


def batch(*rows: tuple[int, bool, int | None]) -> pa.RecordBatch:
    """Rows of requests: number, whether it is the completion, result."""
    values: dict[str, list[Any]] = {name: [None] * len(rows) for name in SCHEMA.names}
    values["ts"] = list(range(len(rows)))
    values["path"] = [None if done else f"/{number}" for number, done, _ in rows]
    values[REQUEST] = [number for number, _, _ in rows]
    values[REPLACED] = [0] * len(rows)
    values[DONE] = [done for _, done, _ in rows]
    values["ret"] = [ret for _, _, ret in rows]
    return pa.record_batch(
        [
            pa.array(values[field.name], field.type)
            if not pa.types.is_dictionary(field.type)
            else pa.array(values[field.name], field.type.value_type)
            .dictionary_encode()
            .cast(field.type)
            for field in SCHEMA
        ],
        schema=SCHEMA,
    )


SUBMITTED, ENDED, OTHER = (1, False, 0), (1, True, 5), (2, True, 7)


@pytest.mark.parametrize(
    ("batches", "results"),
    [
        pytest.param([[SUBMITTED, ENDED]], [5], id="together"),
        pytest.param([[SUBMITTED], [ENDED]], [5], id="one after the other"),
        pytest.param([[SUBMITTED], [], [ENDED]], [5], id="much later"),
        pytest.param([[ENDED], [SUBMITTED]], [5], id="clocks that differ"),
        pytest.param([[ENDED], [], [SUBMITTED]], [None], id="not that much"),
        pytest.param([[OTHER], [SUBMITTED]], [None], id="of another"),
    ],
)
def test_join(batches: list[list[tuple[int, bool, int | None]]], results: list[int | None]) -> None:
    join = RequestJoin()
    made = [join.join(batch(*rows)) for rows in batches]
    rest = join.rest()
    made += [rest] if rest else []
    assert [ret for part in made for ret in part.column("ret").to_pylist()] == results
