# SPDX-License-Identifier: Apache-2.0
"""What the commands in an image's configuration name is kept, also where none of them ran."""

from pathlib import Path
from typing import Any

import pytest

from snoop_analysis import Capture
from snoop_analysis.image import open_image
from snoop_analysis.judging import judge
from tests.analysis.conftest import write_session
from tests.slim.images import as_archive, docker_save, entry, layer, link

FILES = {
    "bin/sh": b"",
    "bin/inner": b"",
    "app/hc.sh": b"#!/bin/inner\n",
    "app/hc.conf": b"",
    "app/in/other": b"",
    "app/seen": b"",
    "etc/x": b"",
}
PROGRAMS = {"bin/sh", "bin/inner", "app/hc.sh"}
SCRIPT = {"/app/hc.sh", "/bin/inner"}
COMMANDS: list[tuple[dict[str, Any], set[str]]] = [  # a configuration, what it keeps
    ({"Entrypoint": ["/bin/sh", "/app/hc.sh"]}, {"/bin/sh"} | SCRIPT),
    ({"Entrypoint": ["/bin/sh"], "Cmd": ["-c", "/etc/x"]}, {"/bin/sh", "/etc/x"}),
    ({"Cmd": ["/bin/sh", "/app/link"]}, {"/bin/sh", "/app/link", "/etc/x"}),
    ({"Cmd": ["sh", "-c", "exec /app/hc.sh;"]}, {"/bin/sh"} | SCRIPT),
    ({"Cmd": ["sh", "--conf=/app/hc.conf"]}, {"/bin/sh", "/app/hc.conf"}),
    ({"Cmd": ["sh", "hc.conf"], "WorkingDir": "/app"}, {"/bin/sh", "/app/hc.conf"}),
    ({"Cmd": ["sh", "/app/in", "/none", ""]}, {"/bin/sh", "/app/in"}),  # not what is in it
    (
        {"Healthcheck": {"Test": ["CMD", "/bin/sh", "/app/hc.sh", "/app/hc.conf"]}},
        {"/bin/sh", "/app/hc.conf"} | SCRIPT,
    ),
    (
        {"Healthcheck": {"Test": ["CMD-SHELL", "sh </etc/x||test '$(cat /app/hc.conf)' # y"]}},
        {"/bin/sh", "/etc/x", "/app/hc.conf"},
    ),
    (
        {"Healthcheck": {"Test": ["CMD-SHELL", "echo it's /app/hc.conf"]}},
        {"/bin/sh", "/app/hc.conf"},
    ),
    ({"Healthcheck": {"Test": ["NONE", "/app/hc.sh"]}}, set()),
]


@pytest.mark.parametrize(("config", "kept"), COMMANDS, ids=str)
def test_what_a_command_names_is_kept(
    tmp_path: Path, config: dict[str, Any], kept: set[str]
) -> None:
    items = [
        entry(name, text, mode=0o755 if name in PROGRAMS else 0o644) for name, text in FILES.items()
    ]
    saved = docker_save([layer([*items, link("app/link", "/etc/x")])], **config)
    image = open_image(as_archive(saved, tmp_path / "image.tar"))
    capture = write_session(tmp_path / "capture", [{"path": "/app/seen"}])
    stays = set(judge(Capture(capture), image).judgement.kept)
    assert stays - {"/", "/app", "/bin", "/etc", "/app/seen"} == kept
