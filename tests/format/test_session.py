# SPDX-License-Identifier: Apache-2.0
"""``session.json``: read if it is one, refused in a sentence that names it if it is not."""

from pathlib import Path

import pytest

from snoop_format.errors import FormatError
from snoop_format.session import SESSION_FILE, read_session, write_session

# name: content of session.json, what the refusal says
REFUSED: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "is damaged"),
    "cut": (b'{"format": 1, "ho', "is damaged"),
    "zeros": (bytes(100), "is damaged"),
    "not UTF-8": (b'{"format": 1, "host": "\xff\xfe"}', "is damaged"),
    "not an object": (b"[1]", "does not say which capture format"),
    "null": (b"null", "does not say which capture format"),
    "no format": (b'{"host": "h"}', "does not say which capture format"),
    "a format that is text": (b'{"format": "1"}', "does not say which capture format"),
    "a format that is true": (b'{"format": true}', "does not say which capture format"),
    "a newer format": (b'{"format": 2}', "has capture format 2"),
    "format 0": (b'{"format": 0}', "has capture format 0"),
    "deep": (b"[" * 100_000, "is damaged"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_session_is_refused(tmp_path: Path, name: str) -> None:
    content, reason = REFUSED[name]
    (tmp_path / SESSION_FILE).write_bytes(content)
    with pytest.raises(FormatError, match=reason) as refusal:
        read_session(tmp_path)
    assert str(tmp_path / SESSION_FILE) in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_a_newer_format_asks_for_a_newer_snoop(tmp_path: Path) -> None:
    (tmp_path / SESSION_FILE).write_text('{"format": 2}')
    with pytest.raises(FormatError, match="use a newer snoop"):
        read_session(tmp_path)


@pytest.mark.parametrize("directory", [".", "missing"])
def test_a_missing_session_is_refused(tmp_path: Path, directory: str) -> None:
    with pytest.raises(FormatError, match=r"is not a capture session: it has no session\.json"):
        read_session(tmp_path / directory)


def test_a_session_that_is_a_directory_is_refused(tmp_path: Path) -> None:
    (tmp_path / SESSION_FILE).mkdir()
    with pytest.raises(FormatError, match=r"cannot read .*: Is a directory"):
        read_session(tmp_path)


def test_only_the_format_is_required(tmp_path: Path) -> None:
    (tmp_path / SESSION_FILE).write_text('{"format": 1, "of_another_program": [1]}')
    assert read_session(tmp_path) == {"format": 1, "of_another_program": [1]}


def test_what_is_written_is_read(tmp_path: Path) -> None:
    session = {"format": 1, "command": ['ä\n"', "\udcff"], "ended_at": None, "losses": {"x": 1}}
    write_session(tmp_path, session)
    write_session(tmp_path, session | {"losses": {}})
    assert read_session(tmp_path) == session | {"losses": {}}
    assert [file.name for file in tmp_path.iterdir()] == [SESSION_FILE]
