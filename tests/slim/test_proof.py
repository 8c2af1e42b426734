# SPDX-License-Identifier: Apache-2.0
"""A slimmed image runs, recorded and run for real; make prove-slim does the same at length."""

import subprocess
import time
from pathlib import Path

import pytest

from snoop_analysis import Capture
from snoop_analysis.closure import RULES
from snoop_analysis.image import open_image
from snoop_analysis.judging import judge
from snoop_analysis.verdict import Verdict
from tests.slim.containers import bundle, running, why_not
from tests.slim.proof import Recorded, is_broken, record, slim, wait
from tests.slim.services import SERVICES, build, free_port

REASON = why_not()
pytestmark = [
    pytest.mark.bpf,
    pytest.mark.timeout(600),
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


def test_files_on_volumes_are_told_from_those_of_the_image(tmp_path: Path) -> None:
    """By the mounts that were recorded; the image has other files in the same places."""
    service, port = SERVICES["script"], free_port()
    root = build(service, tmp_path / "root", port)
    subprocess.run(["cp", "-a", root, tmp_path / "image"], check=True)
    volume = tmp_path / "volume"
    volume.mkdir()
    (volume / "index.html").write_text("of the volume\n")
    capture, volumes = tmp_path / "capture", {"/www": volume}
    with running(bundle(tmp_path / "bundle", root, service.command, volumes), capture):
        wait(service, port)
        time.sleep(6)  # the recorder looks at mounts every five seconds
        assert service.ask(port, "/index.html") == (200, b"of the volume\n")
    answer = judge(Capture(capture), open_image(tmp_path / "image"))
    judgement = answer.judgement
    assert judgement.verdict("/www/index.html") is Verdict.NOT_OBSERVED
    assert judgement.verdict("/app/service") is Verdict.USED
    assert "/www" in judgement.kept  # to mount on
    outside = judgement.observed.outside
    assert outside["/www/index.html"].place == "mounted at /www"
    assert not [one for one in answer.notes if "what was mounted is not known" in one]
