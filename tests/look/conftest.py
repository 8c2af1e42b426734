# SPDX-License-Identifier: Apache-2.0
"""Captures to look at, made once."""

import pytest

from snoop_analysis import Capture
from snoop_analysis.replay import Replay
from tests.analysis.conftest import record as record
from tests.look.captures import hostile_capture


@pytest.fixture(scope="session")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Replay:
    return Capture(hostile_capture(tmp_path_factory.mktemp("hostile"))).replay()
