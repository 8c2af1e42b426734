# SPDX-License-Identifier: Apache-2.0
"""A pod recorded by a container in it, with real runtimes and the privileges of the manifests."""

import json
import os
import re
import shutil
import struct
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import pytest

from snoop_capture.kubernetes import SERVICE_ACCOUNT
from snoop_format.schema import BLOCKED
from snoop_format.session import read_session
from tests.capture.api_server import NAMESPACE, POD, running
from tests.capture.conftest import Build
from tests.capture.pods import (
    LAYOUTS,
    NAMESPACES,
    POD_CGROUP,
    POD_UID,
    TRACING,
    VOLUME,
    VOLUME_GROUP,
    Container,
    Node,
)
from tests.capture.recording import SNOOP_CAPTURE, Recording, read_events
from tests.capture.test_endpoint import free_port
from tests.capture.test_observed import LIVENESS

pytestmark = [
    pytest.mark.bpf,
    pytest.mark.skipif(not shutil.which("runc"), reason="needs runc, crun and busybox-static"),
]

RECORD = [SNOOP_CAPTURE, "pod", "-o", VOLUME]
NOBODY_IN_PARTICULAR = 65532
HOST_CGROUPS = [name for name in NAMESPACES if name != "cgroup"]
SHARED_PROCESSES = [name for name in NAMESPACES if name != "pid"]


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    """A directory as the kubelet prepares a volume for a pod with an fsGroup."""
    directory = tmp_path / "volume"
    directory.mkdir()
    os.chown(directory, 0, VOLUME_GROUP)
    directory.chmod(0o2770)
    return directory


def until_it_records(
    recorder: Container, volume: Path, before: Collection[Path] = frozenset()
) -> None:
    """Wait until the recorder has begun its session, beside those of others before."""
    deadline = time.monotonic() + 60
    while not set(volume.glob("*/session.json")) - set(before):
        assert recorder.process.poll() is None, recorder.process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.02)


def calls(path: str) -> str:
    """A script of 4 × 2,000 calls with a path."""
    return f"exec /bin/calls 2000 2 2 {path}"


def status(pid: int) -> dict[str, str]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def end(node: Node, recorder: Container, volume: Path) -> Recording:
    node.signal(recorder, "TERM")
    return Recording(volume, 0, b"", recorder.end())


def by_container(recording: Recording) -> dict[str, dict[str, Any]]:
    containers = recording.session["containers"]
    return {entry["container_id"]: entry for entry in containers if "container_id" in entry}


@pytest.mark.parametrize("namespaces", [NAMESPACES, HOST_CGROUPS], ids=["private", "host"])
@pytest.mark.parametrize("runtime", ["runc", "crun"])
def test_every_call_is_attributed_to_its_container(
    tmp_path: Path, volume: Path, build: Build, runtime: str, namespaces: Sequence[str]
) -> None:
    program = build("calls")
    with Node(tmp_path, runtime) as node:
        early = node.application("early", program, f"read line; {calls('/from/early')}")
        recorder = node.recorder(RECORD, volume, namespaces=namespaces)
        until_it_records(recorder, volume)
        kept = status(node.pid(recorder))
        issued = {early.id: ("/from/early", early.end("go\n"))}
        for name in ("web", "web", "late"):  # web restarts: another container, the same name
            application = node.application(name, program, calls(f"/from/{name}"))
            issued[application.id] = (f"/from/{name}", application.end())
        recording = end(node, recorder, volume)
    assert recording.session["losses"] == {}
    ids = {entry["cgroup_id"]: name for name, entry in by_container(recording).items()}
    found = Counter((ids[row["cgroup_id"]], row["path"]) for row in recording.rows if row["path"])
    assert {key: found[key] for key in found if key[1].startswith("/from/")} == {
        (identity, path): int(count) for identity, (path, count) in issued.items()
    }
    assert recorder.id not in ids.values()
    assert recording.session["ended_at"]
    expected = {"Uid": [str(NOBODY_IN_PARTICULAR)] * 4, "Gid": [str(NOBODY_IN_PARTICULAR)] * 4}
    assert {name: kept[name].split() for name in expected} == expected
    assert kept["Groups"] == str(VOLUME_GROUP)
    assert {int(kept[f"Cap{name}"], 16) for name in ("Inh", "Prm", "Eff", "Amb")} == {0}
    assert (kept["NoNewPrivs"], kept["Seccomp"]) == ("1", "2")
    modes = {path.suffix: path.stat().st_mode & 0o777 for path in recording.directory.iterdir()}
    assert modes == {".parquet": 0o640, ".json": 0o640}
    assert recording.directory.stat().st_mode & 0o777 == 0o750


@pytest.mark.parametrize("told", [True, False], ids=["UID", "no UID"])
@pytest.mark.parametrize("name", [name for name in LAYOUTS if name != "cgroupfs"])
def test_the_pod_is_found_in_every_layout(
    tmp_path: Path, volume: Path, build: Build, name: str, told: bool
) -> None:
    env = {"POD_UID": POD_UID} if told else {}
    namespaces = NAMESPACES if told else HOST_CGROUPS
    with Node(tmp_path, "crun" if told else "runc", LAYOUTS[name]) as node:
        early = node.application("early", build("calls"), f"read line; {calls('/from/early')}")
        recorder = node.recorder(RECORD, volume, namespaces=namespaces, env=env)
        until_it_records(recorder, volume)
        issued = {early.id: int(early.end("go\n"))}
        late = node.application("late", build("calls"), calls("/from/late"))
        issued[late.id] = int(late.end())
        recording = end(node, recorder, volume)
    assert recording.session["losses"] == {}
    assert recording.session["pod_uid"] == POD_UID
    ids = {entry["cgroup_id"]: container for container, entry in by_container(recording).items()}
    found = Counter(ids[r["cgroup_id"]] for r in recording.rows if "/from/" in (r["path"] or ""))
    assert found == issued
    assert recorder.id not in ids.values()


def test_another_pods_uid_is_refused(tmp_path: Path, volume: Path) -> None:
    """It was given, so it is right: the cgroup of some other pod is not this one's."""
    other = "99999999-3a10-4c3e-9d5f-6f6e0a3a7c11"
    with Node(tmp_path, "runc") as node:
        recorder = node.recorder(RECORD, volume, env={"POD_UID": other})
        _, stderr = recorder.process.communicate(timeout=60)
    assert recorder.process.returncode == 1
    assert f"no cgroup above this process carries pod {other} (POD_UID)" in stderr


def test_a_recorder_that_restarts(tmp_path: Path, volume: Path, build: Build) -> None:
    """As the kubelet does it: another container of the same pod, on the same volume."""
    counts = []
    with Node(tmp_path, "crun") as node:
        for number in range(3):
            before = set(volume.glob("*/session.json"))
            recorder = node.recorder(RECORD, volume)
            until_it_records(recorder, volume, before)
            web = node.application("web", build("calls"), calls(f"/from/{number}"))
            counts.append(int(web.end()))
            if number == 1:
                node.signal(recorder, "KILL")
                recorder.process.communicate(timeout=60)
            else:
                node.signal(recorder, "TERM")
                recorder.end()
    directories = (path for path in volume.iterdir() if path.is_dir())
    sessions = sorted(directories, key=lambda path: str(read_session(path)["started_at"]))
    recordings = [[row["path"] for row in read_events(path).to_pylist()] for path in sessions]
    found = [rows.count(f"/from/{number}") for number, rows in enumerate(recordings)]
    assert [found[0], found[2]] == [counts[0], counts[2]]
    assert found[1] <= counts[1]  # killed: what was not flushed is gone
    assert all(read_session(path)["ended_at"] for path in sessions)  # the third sealed the second


def test_the_probes_of_the_manifests(tmp_path: Path, volume: Path, build: Build) -> None:
    """Settings from a file as the ConfigMap brings it; asked from outside of the container."""
    port = free_port()
    file = tmp_path / "snoop.yaml"
    file.write_text(f'output: {VOLUME}\nmetrics-addr: ":{port}"\nlog-format: json\n')
    command = [SNOOP_CAPTURE, "pod", "--config", "/run/snoop.yaml"]
    namespaces = [name for name in NAMESPACES if name != "network"]
    with Node(tmp_path, "crun") as node:
        files = {Path("/run/snoop.yaml"): file}
        recorder = node.recorder(command, volume, namespaces=namespaces, files=files)
        deadline = time.monotonic() + 60
        while not answers(port, "/readyz"):
            assert recorder.process.poll() is None, recorder.process.communicate()
            assert time.monotonic() < deadline
            time.sleep(0.02)
        web = node.application("web", build("calls"), calls("/from/web"))
        issued = int(web.end())
        alive = answers(port, LIVENESS)
        recording = end(node, recorder, volume)
    assert alive
    assert len(recording.where(path="/from/web")) == issued
    assert recording.where(syscall="execve")  # from its first call
    said = [json.loads(line) for line in recording.stderr.splitlines()]
    assert said[-1]["events"] == len(recording.rows)


def answers(port: int, path: str) -> bool:
    """Does a probe pass?"""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def test_who_and_what_with_shared_processes(tmp_path: Path, volume: Path, build: Build) -> None:
    """Where processes are shared, mounts are seen, and with them the names that kubelet gives."""
    labels = tmp_path / "labels"
    labels.write_text('app="shop"\ntier="front \\"end\\""\n')
    digest = "sha256:" + "ab" * 32
    told = {"POD_NAME": "web-0", "POD_NAMESPACE": "shop", "NODE_NAME": "n1", "POD_UID": POD_UID}
    command = [*RECORD, "--label", "team=a", "--labels-file", f"{VOLUME}/labels"]
    command += ["--image", f"web=shop/web@{digest}", "--image", "other:1"]
    shutil.copy(labels, volume)
    with Node(tmp_path, "runc") as node:
        web = node.application("web", build("calls"), "read line")
        recorder = node.recorder(command, volume, namespaces=SHARED_PROCESSES, env=told)
        until_it_records(recorder, volume)
        web.end("go\n")
        recording = end(node, recorder, volume)
    session = recording.session
    said = {"pod_name": "web-0", "namespace": "shop", "node": "n1", "pod_uid": POD_UID}
    assert {name: session[name] for name in said} == said
    assert session["labels"] == {"app": "shop", "tier": 'front "end"', "team": "a"}
    entry = by_container(recording)[web.id]
    assert (entry["name"], entry["pod_uid"]) == ("web", POD_UID)
    assert (entry["image"], entry["image_digest"]) == (f"shop/web@{digest}", digest)
    mounts = {mount["mount_point"]: mount for mount in entry["mounts"]}
    assert mounts["/proc"]["fstype"] == "proc"
    assert mounts["/dev/termination-log"]["root"].split("/")[-3:-1] == ["containers", "web"]
    assert mounts["/"]["read_only"]
    assert not mounts["/dev/termination-log"]["read_only"]


def test_calls_that_a_seccomp_profile_denies(tmp_path: Path, volume: Path, build: Build) -> None:
    """What is needed to tell them is attached when the recorder has no capabilities any more."""
    with Node(tmp_path, "runc") as node:
        recorder = node.recorder(RECORD, volume)
        until_it_records(recorder, volume)
        script = f"read line; {calls('/denied')}"
        web = node.application("web", build("calls"), script, denied=["faccessat"])
        issued = int(web.end("go\n"))
        recording = end(node, recorder, volume)
    assert recording.session["losses"] == {}
    denied = recording.where(path="/denied", syscall="faccessat")
    assert len(denied) == issued
    assert {(row["ret"], row["note"]) for row in denied} == {(None, BLOCKED)}


def test_names_from_the_api_server(tmp_path: Path, volume: Path, build: Build) -> None:
    """Asked for by a recorder that has given up its privileges."""
    digest = "sha256:" + "ab" * 32
    command = [*RECORD, "--kubernetes", "--namespace", NAMESPACE, "--pod-name", POD]
    account = tmp_path / "account"
    account.mkdir()
    with running(account) as cluster, Node(tmp_path, "crun") as node:
        host, port = cluster.url.removeprefix("https://").split(":")
        env = {"KUBERNETES_SERVICE_HOST": host, "KUBERNETES_SERVICE_PORT": port}
        namespaces = [name for name in NAMESPACES if name != "network"]
        files = {SERVICE_ACCOUNT: account}
        recorder = node.recorder(command, volume, namespaces=namespaces, env=env, files=files)
        until_it_records(recorder, volume)
        web = node.application("web", build("calls"), "read line")
        status = {"name": "web", "image": "shop/web", "imageID": f"shop/web@{digest}"}
        status["containerID"] = f"containerd://{web.id}"
        asked = len(cluster.requests)
        cluster.pod = {"status": {"containerStatuses": [status]}}
        deadline = time.monotonic() + 60
        while len(cluster.requests) < asked + 2:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        web.end("go\n")
        recording = end(node, recorder, volume)
    entry = by_container(recording)[web.id]
    assert (entry["name"], entry["image"], entry["image_digest"]) == ("web", "shop/web", digest)


@pytest.mark.parametrize("namespaces", [NAMESPACES, HOST_CGROUPS], ids=["private", "host"])
def test_check_finds_all_that_is_needed(
    tmp_path: Path, volume: Path, namespaces: Sequence[str]
) -> None:
    """With the privileges of the manifests, as their init container does."""
    command = [SNOOP_CAPTURE, "check", "--pod", "-o", VOLUME]
    with Node(tmp_path, "runc") as node:
        said = node.recorder(command, volume, namespaces=namespaces).end()
    assert re.findall("^(?:NO|less).*", said, re.M) == []
    assert f"/sys/fs/cgroup{POD_CGROUP}" in said


@pytest.mark.skipif(not Path(TRACING, "events").exists(), reason="needs tracefs")
def test_it_can_have_events(tmp_path: Path, volume: Path) -> None:
    """As it must on Linux 7.0 and newer."""
    ask = "from snoop_capture import tracepoints; print(tracepoints.obstacle())"
    with Node(tmp_path, "runc") as node:
        env = {"PYTHONPATH": ":".join(filter(None, sys.path))}
        said = node.recorder([sys.executable, "-c", ask], volume, env=env).end()
    assert said == "None\n"


def test_as_another_user_with_file_capabilities(tmp_path: Path, volume: Path, build: Build) -> None:
    """The image's way to run without root: the Python of the loader has the two capabilities."""
    become = ["setpriv", f"--reuid={NOBODY_IN_PARTICULAR}", "--clear-groups"]
    if subprocess.run([*become, "test", "-r", __file__], check=False).returncode:
        pytest.skip(f"uid {NOBODY_IN_PARTICULAR} may not read {__file__}")
    loader = volume / "snoop-loader"  # beside the Python that runs the recorder
    for name in ("python3", loader.name):
        shutil.copy(sys.executable, volume / name)
    bits = 1 << 38 | 1 << 39  # CAP_PERFMON, CAP_BPF; vfs_cap_data, include/uapi/linux/capability.h
    data = struct.pack("<5I", 0x02000001, bits & 0xFFFFFFFF, 0, bits >> 32, 0)
    os.setxattr(loader, "security.capability", data)
    start = "import sys; sys.argv[0] = 'snoop-capture'; from snoop_capture.cli import main; main()"
    command = [f"{VOLUME}/python3", "-c", start, *RECORD[1:]]
    with Node(tmp_path, "crun") as node:
        env = {"PYTHONPATH": ":".join(filter(None, sys.path))}
        recorder = node.recorder(command, volume, user=NOBODY_IN_PARTICULAR, env=env)
        until_it_records(recorder, volume)
        kept = status(node.pid(recorder))
        application = node.application("web", build("calls"), calls("/from/web"))
        issued = int(application.end())
        recording = end(node, recorder, volume)
    assert len(recording.where(path="/from/web")) == issued
    assert kept["Uid"].split() == [str(NOBODY_IN_PARTICULAR)] * 4
    assert {int(kept[f"Cap{name}"], 16) for name in ("Prm", "Eff")} == {0}
