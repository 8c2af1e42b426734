# SPDX-License-Identifier: Apache-2.0
"""Where the verifier refuses what the loader makes of the kernel's types, it does without them."""

import os
from pathlib import Path

import pytest

from tests.capture.recording import Recorder

pytestmark = pytest.mark.bpf

# Every Python of the recording finds this first: a field has moved to where none is.
MOVED = """
from snoop_capture.btf import KernelTypes

offsets = KernelTypes.offsets

def moved(self, names):
    found = offsets(self, names)
    return {name: at + (name == "task_struct.tgid") for name, at in found.items()}

KernelTypes.offsets = moved
"""


def test_a_program_that_is_refused(
    record: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sitecustomize.py").write_text(MOVED)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    recording = record(["/bin/sh", "-c", "echo $$; exec cat /no/such/file"])
    assert recording.one(path="/no/such/file")["pid"] == int(recording.stdout)
