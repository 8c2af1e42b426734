# SPDX-License-Identifier: Apache-2.0
"""Commands that have others do their work: a daemon, in a cgroup that nobody traces."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

_CONTAINER: Final = "snoop-capture container ID"
_POD: Final = (
    "snoop-capture pod in a container of the pod, or snoop-capture container ID on its node"
)
_INSTEAD: Final = {
    **dict.fromkeys(
        ("docker", "docker-compose", "podman", "nerdctl", "ctr", "buildah"), _CONTAINER
    ),
    **dict.fromkeys(("runc", "crun", "crictl", "lxc", "incus", "machinectl"), _CONTAINER),
    **dict.fromkeys(("kubectl", "k3s", "oc", "helm"), _POD),
    **dict.fromkeys(("systemd-run", "systemctl"), "snoop-capture cgroup PATH"),
}
# Commands that start another; options that come before it need not be known to find a client.
_STARTERS: Final = ("sudo", "env", "nice", "ionice", "nohup", "time", "timeout", "doas", "setsid")


def warning(command: Sequence[str]) -> str | None:
    """What to tell somebody who records a container client; None for any other command."""
    name = Path(command[0]).name
    if name in _STARTERS:
        name = next((word for word in command[1:] if word in _INSTEAD), name)
    if name not in _INSTEAD:
        return None
    return f"{name} works in other cgroups, which this does not record: use {_INSTEAD[name]}"
