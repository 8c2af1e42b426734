# SPDX-License-Identifier: Apache-2.0
"""Containers and pods by the names that runtimes give cgroups."""

from pathlib import PurePosixPath

import pytest

from snoop_capture.runtimes import container_of, pod_uid

ID = "4f" * 32
INNER = "9a" * 32
UID = "0b8f2a52-3a10-4c3e-9d5f-6f6e0a3a7c11"
SLICE = UID.replace("-", "_")
STATIC = "d3b07384d113edec49eaa6238ad5ff00"  # a pod from a file on the node has a hash for a UID

CONTAINERS = {
    f"kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{SLICE}.slice/"
    f"cri-containerd-{ID}.scope": ID,
    f"kubepods.slice/kubepods-pod{SLICE}.slice/crio-{ID}.scope": ID,
    f"kubepods.slice/kubepods-pod{SLICE}.slice/crio-{ID}.scope/container": ID,
    f"kubepods/besteffort/pod{UID}/{ID}": ID,
    f"kubepods/besteffort/pod{UID}/crio-{ID}": ID,
    f"system.slice/docker-{ID}.scope": ID,
    f"system.slice/docker-{ID}.scope/init.scope": ID,
    f"docker/{ID}": ID,
    f"docker/{ID}/kubepods/pod{UID}/{INNER}": INNER,
    f"machine.slice/libpod-{ID}.scope/container": ID,
    f"libpod_parent/libpod-{ID}": ID,
    f"system.slice/nerdctl-{ID}.scope": ID,
    f"default/{ID}": ID,
    f"kubepods.slice/kubepods-pod{SLICE}.slice/crio-conmon-{ID}.scope": None,
    f"machine.slice/libpod-conmon-{ID}.scope": None,
    f"kubepods.slice/kubepods-pod{SLICE}.slice": None,
    f"machine.slice/machine-libpod_pod_{ID}.slice": None,
    f"docker/{ID[:-1]}": None,
    f"docker/{ID.upper()}": None,
    "user.slice/user-1000.slice/session-3.scope": None,
    ".": None,
}

PODS = {
    f"kubepods-besteffort-pod{SLICE}.slice": UID,
    f"kubepods-pod{SLICE}.slice": UID,
    f"kubelet-kubepods-burstable-pod{SLICE}.slice": UID,  # kind
    f"pod{UID}": UID,
    f"pod{STATIC}": STATIC,
    f"kubepods-burstable-pod{STATIC}.slice": STATIC,
    f"machine-libpod_pod_{ID}.slice": ID,
    "kubepods-besteffort.slice": None,
    "kubepods": None,
    "podman": None,
    f"cri-containerd-{ID}.scope": None,
    f"pod{UID}x": None,
}


@pytest.mark.parametrize(("cgroup", "expected"), CONTAINERS.items())
def test_the_container_of_a_cgroup(cgroup: str, expected: str | None) -> None:
    container = container_of(PurePosixPath(cgroup))
    assert (container.id if container else None) == expected


@pytest.mark.parametrize(("name", "expected"), PODS.items())
def test_the_pod_in_a_name(name: str, expected: str | None) -> None:
    assert pod_uid(name) == expected


def test_a_container_has_a_short_id_and_a_cgroup() -> None:
    container = container_of(PurePosixPath(f"/machine.slice/libpod-{ID}.scope/container"))
    assert container
    assert container.short_id == "4f4f4f4f4f4f"
    assert container.cgroup == PurePosixPath(f"/machine.slice/libpod-{ID}.scope")
