# SPDX-License-Identifier: Apache-2.0
"""Containers of crun, recorded from their first program on."""

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from uuid import uuid4

from snoop_capture import cgroups

SNOOP_CAPTURE = str(Path(sys.executable).with_name("snoop-capture"))
TIMEOUT = 60  # seconds

# crun wants cgroup2 at /sys/fs/cgroup, which hybrid machines have elsewhere: it gets its own view.
_VIEW = 'umount -R /sys/fs/cgroup; mount -t cgroup2 none /sys/fs/cgroup && exec "$@"'
_CRUN = ["unshare", "--mount", "--propagation", "private", "sh", "-c", _VIEW, "crun"]
_CRUN += ["crun", "--cgroup-manager=disabled"]
_CAPABILITIES = "CHOWN SETUID SETGID DAC_OVERRIDE KILL SYS_CHROOT"


def why_not() -> str | None:
    """What keeps this machine from running containers; null if nothing does."""
    missing = [one for one in ("crun", "unshare", "musl-gcc") if shutil.which(one) is None]
    return f"there is no {', no '.join(missing)}" if missing else None


def bundle(
    directory: Path, root: Path, command: Sequence[str], volumes: Mapping[str, Path] | None = None
) -> Path:
    """An OCI bundle: a container without limits, on the network of the machine.

    Args:
        directory: where to make it.
        root: the container's root directory.
        command: its first program.
        volumes: directories of the machine, by where they are mounted.
    """
    directory.mkdir()
    kinds = ("pid", "mount", "ipc", "uts")
    config = {
        "ociVersion": "1.0.2",
        "process": {
            "user": {"uid": 0, "gid": 0},
            "args": list(command),
            "env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8", "HOME=/root"],
            "cwd": "/",
            "capabilities": {
                one: [f"CAP_{name}" for name in _CAPABILITIES.split()]
                for one in ("bounding", "effective", "permitted")
            },
        },
        "root": {"path": str(root), "readonly": False},
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc"},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs"},
            *(
                {"destination": place, "source": str(source), "options": ["bind"]}
                for place, source in (volumes or {}).items()
            ),
        ],
        "linux": {"namespaces": [{"type": kind} for kind in kinds]},
    }
    (directory / "config.json").write_text(json.dumps(config))
    return directory


@contextmanager
def running(directory: Path, capture: Path | None) -> Iterator[None]:
    """A container while it runs; recorded into ``capture`` if one is given.

    Its cgroup has the name that containerd gives.
    """
    name = f"cri-containerd-{uuid4().hex}{uuid4().hex}.scope"
    pid = directory / "pid"
    with (directory / "log").open("wb") as log:
        create = [*_CRUN, "create", "--bundle", str(directory), "--pid-file", str(pid), name]
        subprocess.run(create, stdout=log, stderr=log, check=True, timeout=TIMEOUT)
        with ExitStack() as stack:
            cgroup = stack.enter_context(_cgroup(name))
            stack.callback(_delete, name)
            if capture is not None:
                (cgroup / "cgroup.procs").write_text(pid.read_text())
                stack.enter_context(_recorder(cgroup, capture))
            subprocess.run([*_CRUN, "start", name], check=True, timeout=TIMEOUT)
            yield


def _delete(name: str) -> None:
    subprocess.run([*_CRUN, "delete", "--force", name], check=True, timeout=TIMEOUT)


@contextmanager
def _cgroup(name: str) -> Iterator[Path]:
    cgroup = cgroups.mount_point() / name
    cgroup.mkdir()
    try:
        yield cgroup
    finally:
        end = time.monotonic() + TIMEOUT
        while (cgroup / "cgroup.procs").read_text() and time.monotonic() < end:
            time.sleep(0.05)  # the container's processes are about to end
        cgroup.rmdir()


@contextmanager
def _recorder(cgroup: Path, capture: Path) -> Iterator[None]:
    """Record a cgroup; the directory is root's, for those above it may be for root alone."""
    capture.mkdir()
    words = [SNOOP_CAPTURE, "cgroup", "-o", str(capture), str(cgroup)]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as recorder:
        end = time.monotonic() + TIMEOUT
        while not list(capture.glob("*/session.json")):
            if recorder.poll() is not None or time.monotonic() > end:
                recorder.kill()
                raise RuntimeError(f"recording does not begin: {recorder.communicate()[1]}")
            time.sleep(0.05)
        try:
            yield
        finally:
            recorder.send_signal(signal.SIGINT)
            _, said = recorder.communicate(timeout=TIMEOUT)
        assert recorder.returncode == 0, said
