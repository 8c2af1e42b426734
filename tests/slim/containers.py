# SPDX-License-Identifier: Apache-2.0
"""Containers of crun, recorded from their first program on."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from snoop_capture import cgroups

SNOOP_CAPTURE = str(Path(sys.executable).with_name("snoop-capture"))
TIMEOUT = 60  # seconds

# crun wants cgroup2 at /sys/fs/cgroup, which hybrid machines have elsewhere: it gets its own view.
_VIEW = 'umount -R /sys/fs/cgroup; mount -t cgroup2 none /sys/fs/cgroup && exec "$@"'
_CRUN = ["unshare", "--mount", "--propagation", "private", "sh", "-c", _VIEW, "crun"]
_CRUN += ["crun", "--cgroup-manager=disabled"]

# Gives a process a cgroup of its own below the recorded one, as container runtimes do, and stays
# until it is told to end.
_HOLD = """
place=$2/$(sed -n 's/^0:://p' /proc/self/cgroup)/app
mkdir "$place" && echo "$1" > "$place/cgroup.procs" && echo ready
read end
rmdir "$place"
"""


def why_not() -> str | None:
    """What keeps this machine from running containers; null if nothing does."""
    missing = [one for one in ("crun", "unshare", "busybox") if shutil.which(one) is None]
    return f"there is no {', no '.join(missing)}" if missing else None


def bundle(directory: Path, root: Path, command: Sequence[str]) -> Path:
    """An OCI bundle: a container without limits, on the network of the machine."""
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
                one: ["CAP_CHOWN", "CAP_SETUID", "CAP_SETGID", "CAP_DAC_OVERRIDE", "CAP_KILL"]
                for one in ("bounding", "effective", "permitted")
            },
        },
        "root": {"path": str(root), "readonly": False},
        "mounts": [
            {"destination": "/proc", "type": "proc", "source": "proc"},
            {"destination": "/dev", "type": "tmpfs", "source": "tmpfs"},
        ],
        "linux": {"namespaces": [{"type": kind} for kind in kinds]},
    }
    (directory / "config.json").write_text(json.dumps(config))
    return directory


@contextmanager
def running(directory: Path, capture: Path | None) -> Iterator[None]:
    """A container while it runs; recorded into ``capture`` if one is given."""
    name = f"snoop-{uuid4().hex}"
    log = (directory / "log").open("wb")
    pid = directory / "pid"
    with log:
        create = [*_CRUN, "create", "--bundle", str(directory), "--pid-file", str(pid), name]
        subprocess.run(create, stdout=log, stderr=log, check=True, timeout=TIMEOUT)
        try:
            with _recorded(int(pid.read_text()), capture):
                subprocess.run([*_CRUN, "start", name], check=True, timeout=TIMEOUT)
                try:
                    yield
                finally:
                    subprocess.run([*_CRUN, "delete", "--force", name], timeout=TIMEOUT, check=True)
        except BaseException:
            subprocess.run([*_CRUN, "delete", "--force", name], stderr=log, timeout=TIMEOUT)
            raise


@contextmanager
def _recorded(pid: int, capture: Path | None) -> Iterator[None]:
    """Record a process and all it starts."""
    if capture is None:
        yield
        return
    hold = ["busybox", "sh", "-c", _HOLD, "sh", str(pid), str(cgroups.mount_point())]
    with subprocess.Popen(
        [SNOOP_CAPTURE, "run", "-o", capture, "--", *hold],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ,
    ) as recorder:
        assert recorder.stdout
        if recorder.stdout.readline() != b"ready\n":
            _, said = recorder.communicate(timeout=TIMEOUT)
            raise RuntimeError(said.decode())
        try:
            yield
        finally:
            _, said = recorder.communicate(b"end\n", timeout=TIMEOUT)
        assert recorder.returncode == 0, said
