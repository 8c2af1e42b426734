# SPDX-License-Identifier: Apache-2.0
"""Submissions and completions of io_uring meet, also in different batches."""

from typing import Any

import pyarrow as pa
import pytest

from snoop_capture.events import UNNUMBERED
from snoop_capture.uring import DONE, REPLACED, REQUEST, RequestJoin
from snoop_format.schema import RESULT_LOST, UNREADABLE

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


def halves(count: int) -> list[range]:
    """The numbers from 1 to that, in two batches."""
    return [range(1, count // 2 + 1), range(count // 2 + 1, count + 1)]


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
    join = RequestJoin(set)
    made = [join.join(batch(*rows)) for rows in batches]
    rest = join.rest()
    made += [rest] if rest else []
    assert [ret for part in made for ret in part.column("ret").to_pylist()] == results


def test_a_result_that_was_lost_is_told_from_one_that_never_came() -> None:
    """At the end; where very many wait, a completion may be on its way yet."""
    join = RequestJoin(lambda: set(range(0, 1 << 18, 2)))
    many = [join.join(batch(*((n, False, 0) for n in numbers))) for numbers in halves(140_000)]
    assert [part.num_rows for part in many] == [0, 1 << 16]
    rest = join.rest()
    assert rest
    rows = [row for part in (*many, rest) for row in part.to_pylist()]
    notes = {row["path"]: row["note"] for row in rows}
    assert len(rows) == 140_000
    early, last = range(1, (1 << 16) + 1), range((1 << 16) + 1, 140_001)
    lost = {f"/{n}": RESULT_LOST if n % 2 else None for n in last}
    assert notes == {f"/{n}": None for n in early} | lost
    assert {row["ret"] for row in rows} == {None}


def test_a_request_that_lacks_more_keeps_the_note_it_has() -> None:
    join = RequestJoin(set)
    rows = batch(SUBMITTED)
    at = rows.schema.get_field_index("note")
    note = pa.array([UNREADABLE]).dictionary_encode().cast(rows.schema.field("note").type)
    join.join(rows.set_column(at, rows.schema.field("note"), note))
    rest = join.rest()
    assert rest
    assert rest.column("note").to_pylist() == [UNREADABLE]
