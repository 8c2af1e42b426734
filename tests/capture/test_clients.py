# SPDX-License-Identifier: Apache-2.0
"""``run`` warns where the command has a daemon do its work."""

from pathlib import Path

import pytest

from tests.capture.recording import Recorder

pytestmark = pytest.mark.bpf


@pytest.mark.parametrize(
    ("client", "instead"),
    [
        (["docker", "run", "nginx"], "snoop-capture container ID"),
        (["/usr/bin/podman", "start", "web"], "snoop-capture container ID"),
        (["kubectl", "exec", "web-0", "--", "ls"], "snoop-capture pod"),
        (["sudo", "-E", "nerdctl", "run", "nginx"], "snoop-capture container ID"),
    ],
)
def test_run_warns_of_container_clients(
    record: Recorder, tmp_path: Path, client: list[str], instead: str
) -> None:
    """The client is there (a script that does nothing), and is run all the same."""
    for name in ("docker", "podman", "kubectl", "nerdctl", "sudo"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    client = [str(tmp_path / Path(client[0]).name), *client[1:]]
    recording = record(client)
    assert recording.code == 0
    assert f"works in other cgroups, which this does not record: use {instead}" in recording.stderr
    assert recording.rows


def test_run_warns_of_nothing_else(record: Recorder) -> None:
    assert "cgroups" not in record(["echo", "docker", "run"]).stderr
