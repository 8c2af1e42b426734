# SPDX-License-Identifier: Apache-2.0
"""What is written for builders of images, taken by one: buildah."""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from snoop_analysis.dockerfile import dockerfile
from snoop_analysis.image import Config
from tests.analysis.conftest import write_session
from tests.slim.images import as_archive, docker_save, entry, layer
from tests.slim.test_unused import EXEC, run

pytestmark = [
    pytest.mark.skipif(shutil.which("buildah") is None, reason="there is no buildah"),
    pytest.mark.skipif(os.geteuid() != 0, reason="buildah's storage without FUSE is for root"),
]

CONFIG: dict[str, Any] = {
    "Env": ["PATH=/bin", "MONEY=$5 ${PATH}", "QUOTED=a\"b'c\\d e", "EMPTY=", "SNOW=☃"],
    "Labels": {"a b": 'c"d$PATH', "x": "1"},
    "ExposedPorts": {"80/tcp": {}, "53/udp": {}},
    "Volumes": {"/volume $PATH": {}, "/other": {}},
    "WorkingDir": "/work $PATH 'quoted'",
    "User": "1000:20",
    "StopSignal": "SIGQUIT",
    "Shell": ["/bin/sh", "-ec"],
    "Entrypoint": ["/bin/sh", "-c", 'echo $PATH "x"\n'],
    "Cmd": ["a b", "$PATH"],
    "Healthcheck": {
        "Test": ["CMD-SHELL", "test -f $PATH || exit 1"],
        "Interval": 30_000_000_000,
        "Timeout": 1_500_000_000,
        "Retries": 3,
    },
    "OnBuild": ["RUN echo $PATH"],
}


def buildah(storage: Path, *words: object) -> str:
    """What buildah says; its images are in ``storage``."""
    places = ["--root", storage / "images", "--runroot", storage / "run"]
    done = subprocess.run(
        list(map(str, ["buildah", *places, "--storage-driver", "vfs", *words])),
        env=os.environ | {"BUILDAH_ISOLATION": "chroot"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def config_of(storage: Path, image: str) -> dict[str, Any]:
    """The configuration of an image, without what buildah adds and what is empty."""
    said = json.loads(buildah(storage, "inspect", "--type", "image", image))["Docker"]["config"]
    said.get("Labels", {}).pop("io.buildah.version", None)
    return {key: value for key, value in said.items() if key in CONFIG and value}


def dockerfile_of(config: dict[str, Any]) -> list[str]:
    return dockerfile(Config({"config": config}))


CHECKS: list[dict[str, Any]] = [
    {"Test": ["NONE"]},
    {"Test": ["CMD", "/bin/true", "a b"], "StartPeriod": 2_000_000_000},
    {"Test": ["CMD-SHELL", "exit 0"], "Interval": 1_000_000_000},
]


@pytest.mark.parametrize("changed", [{}, *({"Healthcheck": one} for one in CHECKS)], ids=str)
def test_the_dockerfile_says_what_the_configuration_said(
    tmp_path: Path, changed: dict[str, Any]
) -> None:
    config = CONFIG | changed
    place = tmp_path / "context"
    place.mkdir()
    (place / "slim.tar").write_bytes(layer([entry("bin/sh", b"")]))
    (place / "Dockerfile").write_text("\n".join(dockerfile_of(config)) + "\n")
    buildah(tmp_path, "bud", "--format", "docker", "--tag", "slim", place)
    assert config_of(tmp_path, "slim") == config


@pytest.mark.parametrize("transport", ["oci-archive", "docker-archive"])
def test_the_image_is_one_for_others(tmp_path: Path, transport: str) -> None:
    base = layer([entry("app/run", b"#!/bin/sh\n", mode=0o755), entry("gone", bytes(9_000))])
    config = {key: value for key, value in CONFIG.items() if key != "OnBuild"}  # nothing to run
    image = as_archive(docker_save([base], **config), tmp_path / "image.tar")
    capture = write_session(tmp_path / "capture", [{"path": "/app/run"} | EXEC])
    slim = tmp_path / "slim.tar"
    done = run("unused", capture, "--image", image, "--write-image", slim)
    assert done.exit_code == 0, done.output
    number = buildah(tmp_path, "pull", f"{transport}:{slim}").strip()
    assert config_of(tmp_path, number) == config
    container = buildah(tmp_path, "from", number).strip()
    root = Path(buildah(tmp_path, "mount", container).strip())
    assert (root / "app/run").read_bytes() == b"#!/bin/sh\n"
    assert not (root / "gone").exists()
    buildah(tmp_path, "rm", container)


@pytest.mark.parametrize(
    "config",
    [
        {"Env": ["TWO=a\nRUN evil"]},
        {"Labels": {"a": "b\nRUN evil"}},
        {"WorkingDir": "/a\\"},
        {"User": "a\rb"},
        {"Healthcheck": {"Test": ["CMD-SHELL", "a\nRUN evil"]}},
        {"OnBuild": ["RUN a\nRUN evil"]},
    ],
    ids=str,
)
def test_what_a_dockerfile_cannot_say_is_left_out(config: dict[str, Any]) -> None:
    lines = dockerfile_of(config)[3:]
    assert [line.startswith("# ") and "is left out" in line for line in lines] == [True]
