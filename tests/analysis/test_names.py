# SPDX-License-Identifier: Apache-2.0
"""Names keep bytes apart, in Python as in SQL."""

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from snoop_analysis.names import escaped, name_of, name_to_bytes, shown
from snoop_analysis.sqltext import literal, statement
from snoop_analysis.terminal import printable

PIECES = [b"\xe2", b"\x82", b"\xac", b"\xf0", b"\x9f", b"\xed", b"\xa0", b"a", b"/"]
PATHS = st.one_of(
    st.binary(max_size=30),
    st.text(max_size=10).map(lambda text: text.encode()),
    st.lists(st.sampled_from(PIECES)).map(b"".join),
).map(lambda path: path.replace(b"\0", b""))


@pytest.fixture(scope="module")
def database() -> duckdb.DuckDBPyConnection:
    connection = duckdb.connect()
    connection.execute(statement("normalise"))
    return connection


@settings(deadline=None, max_examples=300)
@given(path=PATHS)
def test_sql_and_python_agree(database: duckdb.DuckDBPyConnection, path: bytes) -> None:
    name = name_of(path.decode(errors="surrogateescape"))
    assert database.execute("SELECT exact_text('?', ?::BLOB)", [path]).fetchall() == [(name,)]
    assert name_to_bytes(name) == path


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (b"/a", "/a"),
        ("/é\\".encode(), "/é\\"),
        (b"/\xff", "/\\xff"),
        (b"/\xff\\", "/\\xff\\\\"),
    ],
)
def test_shown(path: bytes, text: str) -> None:
    assert shown(name_of(path.decode(errors="surrogateescape"))) == text


@given(
    paths=st.sets(
        st.lists(st.sampled_from([b"\t", b"\\", b"t", b"x85", b"\x85", "\x85".encode()]))
        .map(b"".join),
    )
)  # fmt: skip
def test_names_that_differ_do_so_where_all_is_escaped(paths: set[bytes]) -> None:
    names = {name_of(path.decode(errors="surrogateescape")) for path in paths}
    assert len({printable(escaped(name)) for name in names}) == len(paths)


@given(value=st.text())
def test_literal(database: duckdb.DuckDBPyConnection, value: str) -> None:
    assert database.execute(f"SELECT {literal(value)}").fetchall() == [(value,)]
