# SPDX-License-Identifier: Apache-2.0
"""Which relative paths would leave the root directory of their call."""

import pytest

from snoop_capture.rooted_bases import leads_out


@pytest.mark.parametrize(
    ("path", "out"),
    [(b"leaf", False), (b"a/../leaf", False), (b"./a/./../../leaf", True), (b"..", True),
     (b"a//../..", True), (b"...", False), (b"/../leaf", False), (b"", False)],
)  # fmt: skip
def test_dots(path: bytes, out: bool) -> None:
    assert leads_out(path) == out
