# SPDX-License-Identifier: Apache-2.0
"""Interpreters with a relative path: the kernel opens them from where the program was started."""

import json
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from snoop_analysis import Capture
from snoop_analysis.cli import cli
from snoop_analysis.closure.policy import Policy
from snoop_analysis.image import Image, open_image
from snoop_analysis.judging import Answer, judge
from tests.analysis.conftest import Event, write_session
from tests.analysis.summaries import remove_segments
from tests.slim.images import entry, layer
from tests.slim.test_unused import EXEC

SH: Event = {"path": "/bin/sh", "syscall": "exec_interpreter", "ret": 0}
FILES = {
    "bin/sh": b"",
    "opt/w/sub/s": b"#!tools/wrap\n",
    "opt/w/tools/wrap": b"#!../w/tools/inner\n",
    "opt/w/tools/inner": b"#!/bin/sh\n",
    "opt/w/direct": b"#!tools/prog\n",
    "opt/w/tools/prog": b"",
    "srv/tools/wrap": b"#!/srv/inner\n",
    "srv/inner": b"",
    "srv/tools/prog": b"",
    "srv/by": b"#!/bin/loaded\n",
    "srv/own/ld.so": b"",
    "var/own/ld.so": b"",
}
IN_OPT = {"/opt/w/tools/wrap", "/opt/w/tools/inner"}
IN_SRV = {"/srv/tools/wrap", "/srv/inner"}
PROGS = {"/opt/w/tools/prog", "/srv/tools/prog"}
LOADERS = {"/srv/own/ld.so", "/var/own/ld.so"}


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    """``/bin/loaded`` is a program that ``own/ld.so`` loads."""
    directory = tmp_path_factory.mktemp("relative")
    subprocess.run(
        ["gcc", "-xc", "-", "-o", "loaded", "-nostdlib", "-pie", "-Wl,-I,own/ld.so"],
        input="void _start(void) {}",
        cwd=directory,
        text=True,
        check=True,
    )
    files = FILES | {"bin/loaded": (directory / "loaded").read_bytes()}
    path = directory / "image.tar"
    path.write_bytes(layer([entry(name, text, mode=0o755) for name, text in files.items()]))
    return open_image(path)


@dataclass(frozen=True)
class Case:
    """Events of execs, which interpreters they keep, and of which the directory is not known."""

    events: list[Event]
    kept: set[str]
    unknown: str = ""


def start(path: str, base: str | None = None, **fields: object) -> Event:
    return {"path": path, "base": base} | EXEC | fields


def interpreted(path: str, base: str) -> Event:
    return SH | {"path": path, "base": base, "real_path": f"{base}/{path}"}


CASES = {
    "by the exec's base": Case([start("sub/s", "/opt/w"), SH], IN_OPT),
    "also above it": Case([start("../opt/w/sub/s", "/srv"), SH], IN_SRV),
    "in two directories": Case(
        [start("sub/s", "/opt/w"), SH, start("../opt/w/sub/s", "/srv"), SH], IN_OPT | IN_SRV
    ),
    "by the interpreter's base": Case(
        [start("/opt/w/direct"), interpreted("tools/prog", "/srv")], {"/srv/tools/prog"}
    ),
    "of another process": Case(
        [start("/opt/w/direct", pid=20), interpreted("tools/prog", "/srv")],
        PROGS,
        "tools/prog, the #! interpreter of /opt/w/direct",
    ),
    "of another exec": Case(
        [start("/opt/w/direct"), start("/opt/w/direct"), interpreted("tools/prog", "/srv")],
        PROGS,
        "tools/prog, the #! interpreter of /opt/w/direct",
    ),
    "not known": Case(
        [start("/opt/w/sub/s"), SH],
        IN_OPT | IN_SRV,
        "tools/wrap, the #! interpreter of /opt/w/sub/s",
    ),
    "of a descriptor": Case(
        [start("sub/s", "/opt/w", syscall="execveat"), SH],
        IN_OPT | IN_SRV,
        "tools/wrap, the #! interpreter of /opt/w/sub/s",
    ),
    "of a program": Case([start("../bin/loaded", "/srv")], {"/srv/own/ld.so"}),
    "of a program, not known": Case(
        [start("/bin/loaded")], LOADERS, "own/ld.so, the ELF interpreter of /bin/loaded"
    ),
    "of a program that was only opened": Case([{"path": "/bin/loaded"}], set()),
    "of a script's interpreter": Case(
        [start("by", "/srv"), SH | {"path": "/bin/loaded", "real_path": "/bin/loaded"}],
        {"/srv/own/ld.so"},
    ),
}


def judged(image: Image, path: Path, policy: Policy | None = None) -> Answer:
    return judge(Capture(path), image, policy)


def kept(answer: Answer) -> set[str]:
    known = IN_OPT | IN_SRV | PROGS | LOADERS
    return known & set(answer.judgement.kept)


@pytest.mark.parametrize("name", CASES)
def test_a_relative_interpreter_is_kept(name: str, image: Image, tmp_path: Path) -> None:
    case = CASES[name]
    answer = judged(image, write_session(tmp_path / "capture", case.events))
    assert kept(answer) == case.kept
    assert not [one for one in answer.notes if "not in the image" in one]
    doubts = answer.standing.doubts
    assert any(one.startswith(case.unknown) for one in doubts) == bool(case.unknown)
    assert all("is relative to a directory that is not known" in one for one in doubts)


def test_a_summary_knows_no_working_directory_of_an_absolute_path(
    image: Image, tmp_path: Path
) -> None:
    events = [start("/opt/w/direct"), interpreted("tools/prog", "/srv"), start("sub/s", "/opt/w")]
    path = write_session(tmp_path / "capture", events, 1)
    remove_segments(path, 1)
    answer = judged(image, path)
    assert kept(answer) == PROGS | IN_OPT
    assert "tools/prog, the #! interpreter of /opt/w/direct" in "\n".join(answer.standing.doubts)


def test_nobody_saw_where_a_script_that_a_policy_keeps_is_started(
    image: Image, tmp_path: Path
) -> None:
    path = write_session(tmp_path / "capture", [{"path": "/bin/sh"}])
    answer = judged(image, path, Policy(keep=("/opt/w/direct",)))
    assert kept(answer) == PROGS
    assert not answer.standing.complete


def test_files_that_the_kernel_opened_are_those_that_are_known(
    image: Image, tmp_path: Path
) -> None:
    events = [start("sub/s", "/opt/w"), SH, start("/opt/w/direct")]
    path = write_session(tmp_path / "capture", events)
    done = CliRunner().invoke(cli, ["files", str(path), "--image", image.name, "--json"])
    inferred = {row["path"] for row in json.loads(done.stdout) if row["syscalls"] == ["inferred"]}
    assert inferred == IN_OPT
    assert "! tools/prog, the #! interpreter of /opt/w/direct, is relative to" in done.stderr


def test_the_record_for_stargz_has_none_of_them(tmp_path: Path) -> None:
    path = tmp_path / "image.tar"
    path.write_bytes(layer([entry("run", b"#!tools/prog\n"), entry("tools/prog", b"")]))
    capture = write_session(tmp_path / "capture", [start("/run", ts=datetime.now(UTC))])
    words = ["startup", str(capture), "--image", str(path), "--stargz", str(tmp_path / "record")]
    assert CliRunner().invoke(cli, words).exit_code == 0
    lines = (tmp_path / "record").read_text().splitlines()
    assert [json.loads(one)["path"] for one in lines] == ["run"]
