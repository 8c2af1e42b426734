# SPDX-License-Identifier: Apache-2.0
"""``snoop-capture check``: what it says is so, and its exit code tells whether recording works."""

import re
import subprocess
from pathlib import Path

import pytest

from snoop_capture import cgroups
from tests.capture.recording import SNOOP_CAPTURE

THINGS = [
    *["kernel", "BTF", "cgroup v2", "capabilities", "ring buffer", "system calls", "io_uring"],
    *["BCC", "disk", "recording"],
]
LINE = re.compile(r"(ok  |less|NO  ) (\S+(?: \S+)?) {2,}(\S.*)")


def check(*options: str, wrapper: tuple[str, ...] = ()) -> tuple[int, dict[str, tuple[str, str]]]:
    """The exit code, and by thing the state and the text."""
    command = [*wrapper, SNOOP_CAPTURE, "check", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    found = {}
    for line in done.stdout.splitlines():
        match = LINE.fullmatch(line)
        assert match, line
        found[match[2]] = (match[1].strip(), match[3])
    return done.returncode, found


@pytest.mark.bpf
def test_where_recording_works(tmp_path: Path) -> None:
    code, found = check("-o", str(tmp_path / "not" / "there" / "yet"))
    assert code == 0
    assert list(found) == THINGS
    assert {state for state, _ in found.values()} == {"ok"}
    assert f"GiB free in {tmp_path}" in found["disk"][1]
    assert str(cgroups.mount_point()) in found["cgroup v2"][1]
    assert found["recording"][1].endswith("saw an event")


# How a thing is taken away, and what is said of it.
LACKS = {
    "BTF": ("mount -t tmpfs none /sys/kernel/btf", "this kernel has no BTF"),
    "cgroup v2": (f"umount -l {cgroups.mount_point()}", "cgroup v2 is not mounted"),
    "disk": ("mount -t tmpfs -o ro none /mnt", "cannot write to /mnt: Read-only file system"),
    "BCC": ("mount -t tmpfs none /usr/lib/python3/dist-packages", "bcc is missing"),
    "pod": (":", "no cgroup above this process carries a pod's UID"),
}


@pytest.mark.bpf
@pytest.mark.parametrize("thing", LACKS)
def test_what_is_not_there(thing: str) -> None:
    setup, said = LACKS[thing]
    wrapper = ("unshare", "-m", "sh", "-c", f'{setup}; exec "$@"', "sh")
    code, found = check("-o", "/mnt", "--pod", wrapper=wrapper)
    assert code == 1
    state, text = found[thing]
    assert state == "NO"
    assert said in text


@pytest.mark.bpf
@pytest.mark.parametrize("missing", ["bpf", "perfmon"])
def test_a_capability_that_is_not_there(missing: str) -> None:
    code, found = check(wrapper=("setpriv", "--bounding-set", f"-sys_admin,-{missing}"))
    assert code == 1
    assert found["capabilities"][0] == found["recording"][0] == "NO"
    assert (
        f"needs CAP_{missing.upper()}, which this process does not have" in found["capabilities"][1]
    )
    for thing in ("ring buffer", "recording"):
        assert found[thing][0] == "NO"
        assert found[thing][1].startswith("not tried, for it takes the capabilities above")
        assert "(sudo snoop-capture check)" in found[thing][1]


@pytest.mark.bpf
def test_little_space_is_less(tmp_path: Path) -> None:
    wrapper = f"mount -t tmpfs -o size=1m none '{tmp_path}'; exec \"$@\""
    code, found = check("-o", str(tmp_path), wrapper=("unshare", "-m", "sh", "-c", wrapper, "sh"))
    assert code == 0
    assert found["disk"][0] == "less"
    assert "make room" in found["disk"][1]
