# SPDX-License-Identifier: Apache-2.0
"""What the Kubernetes API server says of the own pod: names, images and digests of containers.

A recording never waits for this: a thread asks, again whenever a container is new, and keeps
trying while there is no answer. See the Kubernetes documentation, "Accessing the Kubernetes API
from a Pod", and the reference of the resource Pod (core/v1).
"""

import json
import logging
import os
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import urllib3

from snoop_capture.errors import CaptureError
from snoop_capture.identity import image_entry

SERVICE_ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")

_TIMEOUT: Final = urllib3.Timeout(connect=3, read=10)
_LARGEST: Final = 4 << 20  # bytes of an answer; etcd keeps at most 1.5 MiB of an object
_FIRST_WAIT: Final = 1.0  # seconds
_LONGEST_WAIT: Final = 60.0
_STATUSES: Final = ("containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses")

_log = logging.getLogger(__name__)

Told = Mapping[str, Mapping[str, Any]]
"""What is known of containers by their ids."""


@dataclass(frozen=True, slots=True)
class ApiServer:
    """Where the API server is, and as whom to ask it.

    ``token`` and ``authority`` are files: the kubelet renews the first.
    """

    url: str
    token: Path
    authority: Path

    @classmethod
    def of_pod(cls, account: Path = SERVICE_ACCOUNT) -> Self:
        """The cluster's, as every pod with a service account finds it.

        Raises:
            CaptureError: this is no pod, or it has no service account.
        """
        host, port = (os.environ.get(f"KUBERNETES_SERVICE_{name}") for name in ("HOST", "PORT"))
        token, authority = account / "token", account / "ca.crt"
        if not host or not token.exists() or not authority.exists():
            raise CaptureError(
                "--kubernetes needs a pod with a service account (automountServiceAccountToken: "
                "true), whose token is mounted at " + str(account)
            )
        host = f"[{host}]" if ":" in host else host
        return cls(f"https://{host}:{port or 443}", token, authority)


class PodWatch:
    """Asks for a pod in a thread of its own.

    Args:
        server: the API server.
        namespace: the pod's.
        name: the pod's.
        wait: seconds until it is asked again, doubled each time.
    """

    def __init__(
        self, server: ApiServer, namespace: str, name: str, wait: float = _FIRST_WAIT
    ) -> None:
        self._server = server
        self._first_wait = wait
        self._path = f"/api/v1/namespaces/{namespace}/pods/{name}"
        self._told: Told = {}
        self._wanted: frozenset[str] = frozenset()
        self._changed = threading.Event()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="kubernetes", daemon=True)
        self._thread.start()

    def told(self, containers: set[str]) -> Told:
        """What is known so far; have it asked for these containers, by id, if they are new."""
        if not containers <= self._wanted:
            self._wanted = frozenset(containers)
            self._changed.set()
        return self._told

    def close(self) -> None:
        """Ask no more; an answer that is under way is not waited for."""
        self._ended.set()
        self._changed.set()

    def _run(self) -> None:
        while not self._ended.is_set():
            self._changed.clear()
            self._ask_patiently()
            self._changed.wait()

    def _ask_patiently(self) -> None:
        """Ask until all is known: a status comes seconds after its container.

        Without an answer that has no end; but some containers, as the pause container, no answer
        ever tells of.
        """
        wait, complained = self._first_wait, False
        while not self._ended.is_set():
            problem = self._ask()
            missing = self._wanted - self._told.keys()
            if problem is None and (not missing or wait >= _LONGEST_WAIT):
                return
            if problem and not complained:
                _log.warning("the Kubernetes API server does not tell of this pod: %s", problem)
                complained = True
            self._ended.wait(wait)
            wait = min(2 * wait, _LONGEST_WAIT)

    def _ask(self) -> str | None:
        """Ask once; None, or what went wrong."""
        try:
            self._told = {**self._told, **dict(_containers(_get(self._server, self._path)))}
        except (OSError, ValueError, RecursionError, urllib3.exceptions.HTTPError) as error:
            return str(error) or type(error).__name__
        except (AttributeError, KeyError, TypeError):
            return "its answer is not a Pod"
        return None


def _get(server: ApiServer, path: str) -> Any:
    headers = {"Authorization": f"Bearer {server.token.read_text().strip()}"}
    settings: dict[str, Any] = {"timeout": _TIMEOUT, "retries": False, "redirect": False}
    with (
        urllib3.PoolManager(ca_certs=str(server.authority)) as pool,
        pool.request(
            "GET", server.url + path, headers=headers, preload_content=False, **settings
        ) as response,
    ):
        if response.status != 200:
            raise ValueError(_refusal(response.status, path))
        return json.loads(response.read(_LARGEST, decode_content=True))


def _refusal(status: int, path: str) -> str:
    advice = {
        401: "; is the service account's token mounted?",
        403: "; the service account needs the verb get on pods (deploy/kubernetes/base/role.yaml)",
        404: "; are POD_NAME and POD_NAMESPACE right?",
    }
    return f"status {status} for {path}{advice.get(status, '')}"


def _containers(pod: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """The containers of a Pod object by their ids; with those that a restart has replaced.

    Raises:
        AttributeError, KeyError, TypeError: it is none.
    """
    for kind in _STATUSES:
        for container in pod["status"].get(kind, ()):
            name = str(container["name"])
            ended = container.get("lastState", {}).get("terminated", {}).get("containerID")
            if ended:
                yield _bare(ended), {"name": name}
            if container.get("containerID"):
                yield (
                    _bare(container["containerID"]),
                    {
                        "name": name,
                        **image_entry(str(container["image"]), str(container.get("imageID", ""))),
                    },
                )


def _bare(container_id: str) -> str:
    """The id without the runtime before it: ``containerd://4f4f…``."""
    return container_id.rpartition("//")[2]
