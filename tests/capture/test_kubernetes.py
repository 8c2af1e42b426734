# SPDX-License-Identifier: Apache-2.0
"""Asking for the own pod, against a real HTTPS server on loopback that speaks the endpoint."""

import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from snoop_capture.errors import CaptureError
from snoop_capture.kubernetes import ApiServer, PodWatch
from tests.capture.api_server import NAMESPACE, PATH, POD, Cluster, certificate, running

WEB, OLD_WEB, INIT, PAUSE = ("4f" * 32, "5e" * 32, "6d" * 32, "7c" * 32)
DIGEST = "sha256:" + "ab" * 32
TOLD_POD = {
    "kind": "Pod",
    "status": {
        "containerStatuses": [
            {
                "name": "web",
                "image": "registry.example/shop/web:1.4",
                "imageID": f"registry.example/shop/web@{DIGEST}",
                "containerID": f"containerd://{WEB}",
                "lastState": {"terminated": {"containerID": f"containerd://{OLD_WEB}"}},
            },
            {"name": "late", "image": "busybox", "imageID": ""},
        ],
        "initContainerStatuses": [
            {
                "name": "migrate",
                "image": "migrate:2",
                "imageID": DIGEST,
                "containerID": f"cri-o://{INIT}",
            },
        ],
    },
}
TOLD = {
    WEB: {"name": "web", "image": "registry.example/shop/web:1.4", "image_digest": DIGEST},
    OLD_WEB: {"name": "web"},
    INIT: {"name": "migrate", "image": "migrate:2"},
}


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with running(tmp_path) as cluster:
        cluster.pod = TOLD_POD
        yield cluster


def wait_until(true: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 20
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_names_images_and_digests(cluster: Cluster) -> None:
    watch = cluster.watch()
    wait_until(lambda: watch.told({WEB, INIT}) == TOLD)
    assert set(cluster.requests) == {(PATH, "Bearer first")}
    watch.close()


def test_a_recording_does_not_wait(cluster: Cluster) -> None:
    cluster.hold.clear()
    watch = cluster.watch()
    wait_until(lambda: cluster.requests)
    began = time.monotonic()
    assert watch.told({WEB}) == {}
    watch.close()
    assert time.monotonic() - began < 1


REFUSED = {
    401: "status 401 for {path}; is the service account's token mounted?",
    403: "status 403 for {path}; the service account needs the verb get on pods",
    404: "status 404 for {path}; are POD_NAME and POD_NAMESPACE right?",
    500: "status 500 for {path}",
    302: "status 302 for {path}",
}


@pytest.mark.parametrize("status", REFUSED)
def test_a_refusal_is_said_once_and_tried_again(
    cluster: Cluster, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    cluster.answers = [(status, b"{}")] * 3
    watch = cluster.watch()
    wait_until(lambda: watch.told({WEB}) == TOLD)
    watch.close()
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert REFUSED[status].format(path=PATH) in record.getMessage()
    assert {path for path, _ in cluster.requests} == {PATH}
    assert len(cluster.requests) >= 4


@pytest.mark.parametrize(
    "answer",
    [b"", b"[]", b"null", b"{}", b'{"status": 1}', b'{"status": {"containerStatuses": [1]}}',
     b"[" * 100_000, b"\xff\xfe", b'{"status": {"containerStatuses": {"a": 1}}}'],
)  # fmt: skip
def test_nonsense_does_no_harm(cluster: Cluster, answer: bytes) -> None:
    cluster.answers = [(200, answer)]
    watch = cluster.watch()
    wait_until(lambda: watch.told({WEB}) == TOLD)
    watch.close()


def test_another_authority_is_not_believed(
    cluster: Cluster, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    stranger, _ = certificate(tmp_path, "stranger")
    server = ApiServer(cluster.url, cluster.account / "token", stranger)
    watch = PodWatch(server, NAMESPACE, POD)
    wait_until(lambda: caplog.records)
    watch.close()
    assert "CERTIFICATE_VERIFY_FAILED" in caplog.text
    assert cluster.requests == []  # the token did not go out


def test_a_renewed_token_and_a_new_container(cluster: Cluster) -> None:
    watch = cluster.watch()
    wait_until(lambda: watch.told({WEB}) == TOLD)
    (cluster.account / "token").write_text("second")
    watch.told({WEB, PAUSE})
    wait_until(lambda: (PATH, "Bearer second") in cluster.requests)
    watch.close()


def test_the_server_of_a_pod(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)
    with pytest.raises(CaptureError, match="--kubernetes needs a pod with a service account"):
        ApiServer.of_pod(tmp_path)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "fd00::1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "6443")
    with pytest.raises(CaptureError, match="--kubernetes needs a pod with a service account"):
        ApiServer.of_pod(tmp_path)
    (tmp_path / "token").touch()
    (tmp_path / "ca.crt").touch()
    assert ApiServer.of_pod(tmp_path).url == "https://[fd00::1]:6443"
