# SPDX-License-Identifier: Apache-2.0
"""Pods, containers and cgroups found in a real cgroup tree, from inside and from outside."""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from snoop_capture import cgroups
from snoop_capture.containers import Containers
from snoop_capture.errors import CaptureError
from snoop_capture.targets import cgroup_target, container_target
from tests.capture.trees import inside, made

pytestmark = pytest.mark.bpf  # for the writable cgroup tree

ID = "4f" * 32
OTHER = "4f4f" + "9a" * 30
UID = "0b8f2a52-3a10-4c3e-9d5f-6f6e0a3a7c11"
SLICE = UID.replace("-", "_")
BURSTABLE = f"kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{SLICE}.slice"

# Where the recorder's container is, by runtime and driver: the pod's directory, and below it.
LAYOUTS = {
    "containerd, systemd": (BURSTABLE, f"cri-containerd-{ID}.scope"),
    "containerd, cgroupfs": (f"kubepods/burstable/pod{UID}", ID),
    "CRI-O, systemd": (BURSTABLE, f"crio-{ID}.scope/container"),
    "CRI-O, cgroupfs": (f"kubepods/pod{UID}", f"crio-{ID}"),
    "Docker, systemd": (BURSTABLE, f"docker-{ID}.scope"),
    "kind": (f"docker/{OTHER}/kubelet.slice/kubelet-kubepods-pod{SLICE}.slice", ID),
}

FIND = """
import dataclasses, json, os
from snoop_capture.errors import CaptureError
from snoop_capture.targets import pod_target
try:
    target = pod_target(os.environ.get("POD_UID"))
    print(json.dumps([target.pod.uid, *map(str, (*target.roots, *target.without))]))
except CaptureError as error:
    print(json.dumps(str(error)))
"""
# The three ways in which a container may see the tree; the node's is mounted at $NODE.
PRIVATE_NAMESPACE = ["unshare", "--cgroup"]
ONLY_ITS_OWN = [
    *["unshare", "--cgroup", "--mount", "sh", "-c"],
    'umount -l "$TREE" && mount -t cgroup2 none "$TREE" && exec "$@"',
    "sh",
]
BOTH = [
    *["unshare", "--cgroup", "--mount", "sh", "-c"],
    'mount --bind "$TREE" "$NODE" && umount -l "$TREE" && mount -t cgroup2 none "$TREE" '
    '&& exec "$@"',
    "sh",
]


def find_pod(cgroup: Path, *wrapper: str, **env: str) -> Any:
    """What a process in a cgroup, started by ``wrapper``, finds to be its pod."""
    command = inside(cgroup, *wrapper, sys.executable, "-c", FIND)
    env = {**os.environ, "TREE": str(cgroups.mount_point()), **env}
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("wrapper", [[], PRIVATE_NAMESPACE], ids=["host", "private"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_own_pod_is_found(tree: Path, layout: str, wrapper: list[str]) -> None:
    pod, container = (Path(part) for part in LAYOUTS[layout])
    cgroup = made(tree / pod / container)
    expected = [UID, str(tree / pod), str(tree / pod / container.parts[0])]
    assert find_pod(cgroup, *wrapper) == expected
    assert find_pod(cgroup, *wrapper, POD_UID=UID) == expected


def test_the_nodes_tree_may_be_mounted_anywhere(tree: Path, tmp_path: Path) -> None:
    cgroup = made(tree / BURSTABLE / f"cri-containerd-{ID}.scope")
    uid, root, without = find_pod(cgroup, *BOTH, NODE=str(tmp_path))
    inside = tree.relative_to(cgroups.mount_point())
    assert (uid, root) == (UID, str(tmp_path / inside / BURSTABLE))
    assert without == f"{root}/cri-containerd-{ID}.scope"


def test_no_pod_is_refused(tree: Path) -> None:
    found = find_pod(made(tree / f"docker-{ID}.scope"))
    assert found.startswith("no cgroup above this process carries a pod's UID; it is seen as /")
    assert f"docker-{ID}.scope in {cgroups.mount_point()}. In a pod, mount the node's" in found


def test_a_view_of_the_own_container_alone_is_refused(tree: Path) -> None:
    cgroup = made(tree / BURSTABLE / f"cri-containerd-{ID}.scope")
    found = find_pod(cgroup, *ONLY_ITS_OWN)
    assert f"it is seen as / in {cgroups.mount_point()}. In a pod, mount the node's" in found


def test_another_pod_is_refused(tree: Path) -> None:
    other = "11111111-3a10-4c3e-9d5f-6f6e0a3a7c11"
    found = find_pod(made(tree / BURSTABLE / f"crio-{ID}.scope"), POD_UID=other)
    assert found.startswith(f"no cgroup above this process carries pod {other} (POD_UID)")


@pytest.mark.parametrize("name", [ID, ID[:12], ID[:5]])
@pytest.mark.parametrize("place", [layout[1] for layout in LAYOUTS.values()])
def test_containers_are_found_by_id(tree: Path, place: str, name: str) -> None:
    made(tree / BURSTABLE / f"crio-{OTHER}.scope")
    made(tree / BURSTABLE / f"crio-conmon-{ID}.scope")
    cgroup = made(tree / BURSTABLE / place)
    target = container_target([name])
    assert target.roots == [tree / BURSTABLE / cgroup.relative_to(tree / BURSTABLE).parts[0]]
    assert target.without == []


def test_containerd_lets_people_choose_the_id(tree: Path) -> None:
    cgroup = made(tree / "default" / "my-web.1")
    assert container_target(["my-web.1"]).roots == [cgroup]


def test_an_id_must_be_of_one_container(tree: Path) -> None:
    made(tree / f"docker-{ID}.scope")
    made(tree / f"docker-{OTHER}.scope")
    with pytest.raises(CaptureError, match=f"several containers' ids: {ID[:12]}, {OTHER[:12]}$"):
        container_target(["4f4f"])
    for name in ("5e5e", "no-such", "../escape", "user.slice"):
        with pytest.raises(CaptureError, match=f"no container {name} in the cgroup tree"):
            container_target([ID, name])


def test_cgroups_are_named_by_directory_or_path(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cgroup = made(tree / "a")
    inside = "/" + str(cgroup.relative_to(cgroups.mount_point()))
    monkeypatch.chdir(tree)
    for name in (cgroup, Path(inside), Path("a")):
        assert cgroup_target([name, cgroup]).roots == [cgroup]


@pytest.mark.parametrize("name", ["/nowhere", "/etc", "/dev/null", "a"])
def test_what_is_no_cgroup_is_refused(tree: Path, name: str) -> None:
    with pytest.raises(CaptureError, match=f"{name} is no cgroup: give a directory below /"):
        cgroup_target([tree, Path(name)])


def test_too_many_cgroups_are_refused(tree: Path) -> None:
    with pytest.raises(CaptureError, match="17 cgroups are too many, 15 are possible"):
        cgroup_target([made(tree / f"c{number}") for number in range(17)])


def test_names_of_what_was_met(tree: Path) -> None:
    pod = made(tree / BURSTABLE)
    web = made(pod / f"crio-{ID}.scope" / "container")
    containers = Containers(cgroup_target([tree]))
    made(tree / "plain" / "below")
    web.rmdir()
    containers.look()
    met = {entry["cgroup_id"]: entry for entry in containers.entries([7])}
    names = [entry["name"] for entry in met.values()]
    assert names[:1] == [tree.name]
    assert f"{ID[:12]}/container" in names
    assert f"{tree.name}/plain/below" in names
    assert met.pop(7) == {"cgroup_id": 7, "name": "cgroup-7"}
    scope = met[cgroups.cgroup_id(web.parent)]
    assert (scope["container_id"], scope["pod_uid"]) == (ID, UID)
    assert scope["cgroup_path"] == "/" + str(web.parent.relative_to(cgroups.mount_point()))
    (gone,) = (entry for entry in met.values() if entry["name"].endswith("/container"))
    assert gone["first_seen"] <= gone["last_seen"] < scope["last_seen"]


def test_what_was_running_at_the_beginning(tree: Path) -> None:
    before, after = made(tree / "before"), tree / "after"
    with contextlib.ExitStack() as ending:
        ending.enter_context(sleeping(before))
        ending.enter_context(sleeping(before))
        containers = Containers(cgroup_target([tree]))
        made(after)
        ending.enter_context(sleeping(after))
        containers.look()
    running = {entry["name"]: entry.get("running") for entry in containers.entries()}
    assert running == {tree.name: None, f"{tree.name}/before": 2, f"{tree.name}/after": None}


@contextlib.contextmanager
def sleeping(cgroup: Path) -> Iterator[None]:
    """A process in a cgroup."""
    with subprocess.Popen(inside(cgroup, "sleep", "60")) as process:
        while str(process.pid) not in (cgroup / "cgroup.procs").read_text().split():
            time.sleep(0.01)
        yield
        process.terminate()
