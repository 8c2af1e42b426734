# SPDX-License-Identifier: Apache-2.0
"""A slimmed image runs, recorded and run for real; make prove-slim does the same at length."""

import pytest

from snoop_analysis.closure import RULES
from tests.slim.containers import why_not
from tests.slim.proof import Recorded, is_broken, record, slim
from tests.slim.services import SERVICES

REASON = why_not()
pytestmark = [
    pytest.mark.bpf,
    pytest.mark.timeout(400),
    pytest.mark.skipif(REASON is not None, reason=str(REASON)),
]


@pytest.fixture(scope="module", params=SERVICES)
def recorded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    return record(SERVICES[request.param], tmp_path_factory.mktemp(request.param))


def test_the_slimmed_service_answers_the_same(recorded: Recorded) -> None:
    slimmed = slim(recorded)
    assert slimmed.answers == recorded.answers
    is_sure = slimmed.heading.startswith("1 capture on 1 host")  # and no word of doubt before
    assert is_sure == ("--strict" in recorded.service.options)
    if recorded.service.packages:
        assert slimmed.after < slimmed.before * 0.4


def test_what_was_not_recorded_is_gone_and_the_report_had_said_so(recorded: Recorded) -> None:
    slimmed = slim(recorded, "--drop-looked-at")
    assert recorded.unrecorded[0] == 200
    assert slimmed.unrecorded != recorded.unrecorded
    assert slimmed.verdict == f"{recorded.service.unrecorded[1]}: not observed"


def test_without_a_rule_it_breaks(recorded: Recorded) -> None:
    rules = recorded.service.broken_without
    assert [rule for rule in rules if is_broken(recorded, rule)] == list(rules)


def test_every_rule_is_needed_by_a_service() -> None:
    needed = {rule for service in SERVICES.values() for rule in service.broken_without}
    assert needed == set(RULES)
