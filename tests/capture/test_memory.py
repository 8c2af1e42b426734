# SPDX-License-Identifier: Apache-2.0
"""What the recorder keeps out of its memory."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.capture.recording import Recorder

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

FOLD = """
import sys
from pathlib import Path
from snoop_capture.memory import refuse_heavy
refuse_heavy()
from snoop_capture.folding import fold
from snoop_format.summary import SUMMARY
print(len(fold(SUMMARY.empty_table(), Path(sys.argv[1]))) > 0, "pyarrow.dataset" in sys.modules)
"""


def test_no_compiler_and_no_pandas_in_the_recorder(tmp_path: Path) -> None:
    words = [sys.executable, "-c", LIST_MODULES, "run", "-o", str(tmp_path / "c"), "--", "true"]
    assert subprocess.run(words, capture_output=True, check=True).stdout.split() == [b"end"]


def test_no_data_sets_in_a_recorder_that_removes_segments(record: Recorder) -> None:
    segment = record(["true"]).directory / "events-00000001.parquet"
    words = [sys.executable, "-c", FOLD, str(segment)]
    assert subprocess.run(words, capture_output=True, check=True).stdout == b"True False\n"
