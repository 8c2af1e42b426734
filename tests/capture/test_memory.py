# SPDX-License-Identifier: Apache-2.0
"""What the recorder keeps out of its memory."""

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.bpf

LIST_MODULES = """
import sys
from snoop_capture import cli
sys.argv = ["snoop-capture", *sys.argv[1:]]
try:
    cli.main()
finally:
    print(*(name for name in ("bcc", "pandas", "duckdb", "rich") if name in sys.modules), "end")
"""


def test_no_compiler_and_no_pandas_in_the_recorder(tmp_path: Path) -> None:
    words = [sys.executable, "-c", LIST_MODULES, "run", "-o", str(tmp_path / "c"), "--", "true"]
    assert subprocess.run(words, capture_output=True, check=True).stdout.split() == [b"end"]
