# SPDX-License-Identifier: Apache-2.0
"""A node with pods: containers of a real runtime, in a cgroup tree laid out as the kubelet does.

There is no kubelet here, so this does what it would: it writes the configuration of each
container (OCI runtime specification) and has runc or crun run it. The node is a mount namespace
of its own with cgroup v2 alone, as on a machine of today.
"""

import json
import secrets
import shutil
import subprocess
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

POD_UID = str(uuid.uuid4())  # another one in each run: two may be under way
POD_CGROUP = f"/kubepods/besteffort/pod{POD_UID}"
VOLUME = "/mnt"
OWN_CGROUPS = "/sys/fs/cgroup"
NODES_CGROUPS = "/run/host/sys/fs/cgroup"
"""The manifests have it elsewhere; but nothing can be made in the root of this machine."""
TRACING = "/sys/kernel/tracing"
VOLUME_GROUP = 2000
"""The pod's fsGroup: the kubelet gives volumes to it, and has all containers be in it."""

SETUP = """
umount -R -l /sys/fs/cgroup
mount -t cgroup2 none /sys/fs/cgroup
mount --bind / "$0"
echo ready
exec cat
"""
TIMEOUT = 60
TERMINATION_LOG = "dev/termination-log"
NAMESPACES = ["pid", "mount", "ipc", "uts", "network", "cgroup"]
PRIVILEGES = ["CAP_BPF", "CAP_PERFMON", "CAP_SETGID", "CAP_SETUID"]


_SLICES = "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod"


@dataclass(frozen=True)
class Layout:
    """How a kubelet and a runtime name cgroups; ``{id}`` stands for a container's id."""

    pod: str
    container: str = "{id}"


CGROUPFS = Layout(POD_CGROUP)
LAYOUTS = {
    "cgroupfs": CGROUPFS,
    "guaranteed": Layout(f"/kubepods/pod{POD_UID}"),
    "systemd": Layout(f"{_SLICES}{POD_UID.replace('-', '_')}.slice", "cri-containerd-{id}.scope"),
    "CRI-O": Layout(f"{_SLICES}{POD_UID.replace('-', '_')}.slice", "crio-{id}.scope/container"),
    "Docker": Layout(f"{_SLICES}{POD_UID.replace('-', '_')}.slice", "docker-{id}.scope"),
    "kind": Layout(f"/kubelet.slice/kubelet{_SLICES}{POD_UID.replace('-', '_')}.slice", "{id}"),
}


@dataclass
class Container:
    """A container that was started."""

    id: str
    process: "subprocess.Popen[str]"

    def end(self, stdin: str = "") -> str:
        """Wait for its end, without an error; what it printed."""
        stdout, stderr = self.process.communicate(stdin, timeout=TIMEOUT)
        assert self.process.returncode == 0, stderr
        return stdout + stderr


@dataclass
class Node:
    """A node of one pod, whose containers are run by ``runtime`` (runc or crun)."""

    directory: Path
    runtime: str
    layout: Layout = CGROUPFS
    containers: list[Container] = field(default_factory=list)

    def __enter__(self) -> Self:
        self.root = self.directory / "root"
        self.root.mkdir()
        self._namespace = subprocess.Popen(
            ["unshare", "--mount", "--propagation", "private", "sh", "-ec", SETUP, self.root],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._namespace.stdout
        assert self._namespace.stdout.readline() == "ready\n"
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for container in self.containers:
            if container.process.poll() is None:
                self.signal(container, "KILL")
            container.process.communicate(timeout=TIMEOUT)
        top = self.layout.pod.split("/")[1]
        self.run("sh", "-c", f"find /sys/fs/cgroup/{top} -depth -type d -delete")
        self._namespace.communicate(timeout=TIMEOUT)

    def run(self, *command: str) -> "subprocess.CompletedProcess[str]":
        """Run a command on the node."""
        return subprocess.run(
            self._inside(command), capture_output=True, text=True, check=False, timeout=TIMEOUT
        )

    def signal(self, container: Container, name: str) -> None:
        """Send a signal to the first process of a container."""
        self.run(self.runtime, *self._state(), "kill", container.id, name)

    def pid(self, container: Container) -> int:
        """The first process of a container, as the node numbers it."""
        state = self.run(self.runtime, *self._state(), "state", container.id).stdout
        return int(json.loads(state)["pid"])

    def application(
        self, name: str, program: str, script: str, denied: Sequence[str] = ()
    ) -> Container:
        """Start a container that runs a script of busybox's shell, with one more program in it.

        A seccomp filter answers the system calls that are ``denied`` with EPERM.
        """
        rootfs = self.directory / secrets.token_hex(4)
        for directory in ("bin", "dev", "proc", "sys"):
            (rootfs / directory).mkdir(parents=True)
        for binary in ("/bin/busybox", program):
            shutil.copy(binary, rootfs / "bin")
        (rootfs / TERMINATION_LOG).touch()
        log = self.directory / "pods" / POD_UID / "containers" / name / secrets.token_hex(4)
        log.parent.mkdir(parents=True, exist_ok=True)
        log.touch()
        spec = config(rootfs, ["/bin/busybox", "sh", "-c", script])
        if denied:
            rule = {"names": list(denied), "action": "SCMP_ACT_ERRNO"}
            spec["linux"]["seccomp"] = {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule]}
        spec["mounts"].append(bind(str(log), f"/{TERMINATION_LOG}", "rw"))
        return self._start(spec)

    def recorder(
        self,
        command: Sequence[str],
        volume: Path,
        *,
        namespaces: Sequence[str] = NAMESPACES,
        user: int = 0,
        env: Mapping[str, str] | None = None,
        files: Mapping[Path, Path] | None = None,
    ) -> Container:
        """Start a container with this machine's files, read-only, and a volume to write to.

        It has the privileges of deploy/kubernetes: as root some capabilities are in effect, as
        another user they may be taken up from a file that has them.
        """
        spec = config(self.root, command, namespaces)
        spec["process"]["env"] += [f"{name}={value}" for name, value in (env or {}).items()]
        spec["process"]["user"] |= {"uid": user, "gid": user}
        sets = ("bounding",) if user else ("bounding", "permitted", "effective")
        spec["process"]["capabilities"] = dict.fromkeys(sets, PRIVILEGES)
        spec["process"]["noNewPrivileges"] = user == 0
        spec["mounts"] += [
            {"destination": "/run", "type": "tmpfs", "source": "none"},  # to mount things in
            {"destination": "/sys/fs", "type": "tmpfs", "source": "none"},
            {"destination": OWN_CGROUPS, "type": "cgroup", "source": "cgroup", "options": ["ro"]},
            bind("/sys/fs/cgroup", NODES_CGROUPS, "ro"),
            bind(TRACING, TRACING, "ro"),
            bind(str(volume), VOLUME, "rw"),
        ]
        spec["mounts"] += [bind(str(b), str(a), "ro") for a, b in (files or {}).items()]
        return self._start(spec)

    def _start(self, spec: dict[str, Any]) -> Container:
        identity = secrets.token_hex(32)
        own = self.layout.container.format(id=identity)
        spec["linux"]["cgroupsPath"] = f"{self.layout.pod}/{own}"
        bundle = self.directory / identity
        bundle.mkdir()
        (bundle / "config.json").write_text(json.dumps(spec))
        command = [self.runtime, *self._state(), "run", "--bundle", str(bundle), identity]
        process = subprocess.Popen(
            self._inside(command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.containers.append(Container(identity, process))
        return self.containers[-1]

    def _state(self) -> list[str]:
        return ["--root", str(self.directory / "state")]

    def _inside(self, command: Sequence[str]) -> list[str]:
        return ["nsenter", f"--mount=/proc/{self._namespace.pid}/ns/mnt", "--", *command]


def config(
    rootfs: Path, command: Sequence[str], namespaces: Sequence[str] = NAMESPACES
) -> dict[str, Any]:
    """An OCI configuration; no capabilities, and no limits (they take CAP_SYS_RESOURCE)."""
    return {
        "ociVersion": "1.0.2",
        "root": {"path": str(rootfs), "readonly": True},
        "process": {
            "args": [str(word) for word in command],
            "cwd": "/",
            "env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"],
            "noNewPrivileges": True,
            "user": {"uid": 0, "gid": 0, "additionalGids": [VOLUME_GROUP]},
        },
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc"},
            {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["ro"]},
        ],
        "linux": {"namespaces": [{"type": kind} for kind in namespaces]},
    }


def bind(source: str, destination: str, mode: str) -> dict[str, Any]:
    options = ["rbind", mode]
    return {"source": source, "destination": destination, "type": "bind", "options": options}
