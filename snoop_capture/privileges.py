# SPDX-License-Identifier: Apache-2.0
"""What the recorder may do, and whose the capture is."""

import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from snoop_capture.errors import CaptureError

# Bits of CapEff in /proc/PID/status, include/uapi/linux/capability.h.
_CAP_SYS_ADMIN: Final = 21
_NEEDED: Final = {"CAP_PERFMON": 38, "CAP_BPF": 39}

# What /proc/PID/uid_map holds outside of user namespaces, user_namespaces(7).
_EVERY_USER: Final = ["0", "0", "4294967295"]

_LOADER: Final = Path(sys.executable).with_name("snoop-loader")


def require() -> None:
    """Make sure that BPF tracing programs can be loaded, capabilities(7).

    Raises:
        CaptureError: a capability is missing, the message says which; or it does not count here.
    """
    if Path("/proc/self/uid_map").read_text().split() != _EVERY_USER:
        raise CaptureError(
            "recording is not possible in a user namespace, such as that of a rootless container: "
            "whatever capabilities one has in it, BPF programs cannot be loaded; run it outside"
        )
    missing = _missing()
    if not missing:
        return
    if not _LOADER.exists():
        raise CaptureError(
            f"recording needs {' and '.join(missing)}, which this process does not have: "
            "run it as root (sudo snoop-capture …), in a pod as uid 0 with these added "
            "(deploy/kubernetes)"
        )
    if "NoNewPrivs:\t1" in Path("/proc/self/status").read_text():
        raise CaptureError(
            f"the capabilities of {_LOADER} have no effect, for this process may gain none "
            "(no_new_privs): in a pod that does not run as root, set allowPrivilegeEscalation: true"
        )


def loader() -> str:
    """The Python that loads the BPF program: this one, or one whose file has the capabilities."""
    return str(_LOADER) if _missing() and _LOADER.exists() else sys.executable


def _missing() -> list[str]:
    held = effective()
    if held >> _CAP_SYS_ADMIN & 1:
        return []
    return [name for name, bit in _NEEDED.items() if not held >> bit & 1]


def effective() -> int:
    """The capabilities in effect, a bit each."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("CapEff:"):
            return int(line.split()[1], 16)
    return 0


def give_to_invoking_user(paths: Iterable[Path]) -> None:
    """Under sudo, make files and directories the property of the user who called that."""
    uid, gid = os.environ.get("SUDO_UID"), os.environ.get("SUDO_GID")
    if os.geteuid() != 0 or uid is None or gid is None:
        return
    for path in paths:
        os.chown(path, int(uid), int(gid), follow_symlinks=False)
