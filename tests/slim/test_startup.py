# SPDX-License-Identifier: Apache-2.0
"""What is touched first, and what is looked for in vain."""

import json
import os
import re
import shutil
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from snoop_analysis.cli import cli
from tests.analysis.conftest import Event, write_session
from tests.slim.images import as_archive, docker_save
from tests.slim.test_unused import EXEC, STAT

START = datetime(2026, 1, 1, tzinfo=UTC)


def at(seconds: float, path: str, **fields: Any) -> Event:
    return {"ts": START + timedelta(seconds=seconds), "path": path, **fields}


EVENTS = [
    at(0, "/app/run", **EXEC),
    at(0.5, "/current/m.py"),
    at(0.6, "/app/m.py"),
    at(0.7, "/app/other.py", **STAT),
    at(0.8, "/absent", ret=-2),
    at(1.0, "/bin/prog", **EXEC),
    at(4.0, "/etc/passwd"),
    at(5.0, "/app/other.py"),
]


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, [str(one) for one in arguments], catch_exceptions=False)


def test_what_is_touched_first_in_order(tmp_path: Path) -> None:
    path = write_session(tmp_path / "capture", EVENTS)
    rows = json.loads(run("startup", path, "--seconds", 2, "--json").stdout)
    assert [(row["position"], row["after"], row["file"], row["used_after"]) for row in rows] == [
        (1, 0.0, "/app/run", 0.0),
        (2, 0.5, "/current/m.py", 0.5),
        (3, 0.6, "/app/m.py", 0.6),
        (4, 0.7, "/app/other.py", None),  # it is opened only later
        (5, 1.0, "/bin/prog", 1.0),
    ]
    rows = json.loads(run("startup", path, "--seconds", 9, "--json").stdout)
    assert [row["used_after"] for row in rows if row["file"] == "/app/other.py"] == [5.0]


def test_the_record_is_in_the_order_of_use(tmp_path: Path, everything: Path) -> None:
    """Of two containers at once, each from its own start; a look is none."""
    events = [
        at(0, "/app/m.py", **STAT),
        at(0.1, "/app/opened"),
        at(0.3, "/app/m.py"),
        at(7, "/usr/bin/never", cgroup_id=2),
        at(7.2, "/app/other.py", cgroup_id=2),
    ]
    containers = [{"cgroup_id": number, "name": f"web-{number}"} for number in (1, 2)]
    path = write_session(tmp_path / "capture", events, containers=containers)
    record = tmp_path / "record.json"
    run("startup", path, "--image", everything, "--stargz", record)
    lines = [json.loads(line)["path"] for line in record.read_text().splitlines()]
    assert lines == ["usr/bin/never", "app/opened", "app/other.py", "app/m.py"]


def test_what_a_recording_lacks_is_said(tmp_path: Path) -> None:
    events = [at(0, "/app/m.py", exe="/usr/bin/prog"), at(1, "/absent", ret=-2)]
    path = write_session(tmp_path / "capture", events, losses={"ring_full": 9})
    lost = "! 9 events lost while recording: ring_full 9\n"
    before = "! app was running before recording began: what it touched first is not known\n"
    assert run("misses", path).stderr == lost
    assert run("startup", path).stderr == lost + before
    started = [at(0, "/usr/bin/prog", exe="/usr/bin/prog", **EXEC), *events]
    assert run("startup", write_session(tmp_path / "whole", started)).stderr == ""


def test_the_record_for_stargz_has_each_file_once_and_interpreters(
    tmp_path: Path, everything: Path
) -> None:
    image = as_archive(docker_save([everything.read_bytes()]), tmp_path / "app.tar")
    path = write_session(tmp_path / "capture", EVENTS)
    record = tmp_path / "record.json"
    run("startup", path, "--seconds", 2, "--image", image, "--stargz", record)
    lines = [json.loads(line) for line in record.read_text().splitlines()]
    assert [line["path"] for line in lines] == [
        "app/run",
        "app/outer",
        "usr/bin/dash",
        "app/m.py",
        "usr/bin/prog",
        "lib64/ld-linux-x86-64.so.2",
    ]
    assert {line["layerIndex"] for line in lines} == {0}
    assert all(line["manifestDigest"].startswith("sha256:") for line in lines)


def test_the_record_needs_the_image(tmp_path: Path) -> None:
    path = write_session(tmp_path / "capture", EVENTS)
    done = run("startup", path, "--stargz", tmp_path / "record.json")
    assert done.exit_code == 2
    assert "need each other" in done.output


@pytest.mark.parametrize("words", [["--csv"], ["--json"], ["--parquet", "x.parquet"]])
def test_the_record_comes_without_a_listing(words: list[str]) -> None:
    done = run("startup", "nowhere", "--image", "app.tar", "--stargz", "record.json", *words)
    assert done.exit_code == 2
    assert "--stargz writes no listing" in done.stderr


ADVICE = [  # who looked, for what, and what avoids it
    ("/usr/bin/python3", "/a/m.py", {}, "PYTHONPATH"),
    ("/usr/bin/python3", "/a/__pycache__/m.cpython-311.pyc", {}, "compileall"),
    ("/usr/bin/python3", "/root/.local/lib/python3.11/site-packages", {}, "PYTHONNOUSERSITE=1"),
    ("/usr/bin/python3", "/usr/bin/pyvenv.cfg", {}, "PYTHONHOME"),
    ("/usr/bin/python3", "/a/__init__.abi3.so", {}, "nothing"),
    ("/usr/bin/ls", "/opt/lib/glibc-hwcaps/x86-64-v3/libz.so.1", {}, "ldconfig"),
    ("/usr/bin/ls", "/opt/lib/libz.so.1", {}, "LD_LIBRARY_PATH"),
    ("/usr/bin/node", "/node_modules/left", {}, "bundle"),
    ("/bin/sh", "/usr/local/bin/tool", EXEC, "PATH"),
    ("/usr/bin/ls", "/usr/lib/locale/C.UTF-8/LC_TIME", {}, "LC_ALL=C, or as its directory"),
    ("/usr/bin/ruby3.1", "/usr/lib/ruby/vendor_ruby/webrick.so", {}, "bootsnap"),
    ("/usr/bin/ruby3.1", "/usr/lib/ruby/vendor_ruby/json.rb", {}, "bootsnap"),
    ("/usr/bin/perl", "/etc/perl/strict.pmc", {}, "PERL5LIB"),
    ("/usr/bin/php", "/usr/lib/modules/webrick.so", {}, None),  # no loader looks for it
    ("/usr/bin/ls", "/etc/localtime", {}, "TZ="),
    ("/usr/bin/curl", "/etc/ssl/certs/0a1b2c3d.0", {}, "SSL_CERT_FILE"),
    ("/usr/sbin/apache2", "/var/www/.htaccess", {}, "AllowOverride None"),
    ("/usr/sbin/nginx", "/var/www/index.html.gz", {}, "gzip_static off"),
    ("/usr/bin/git", "/etc/gitconfig", {}, "GIT_CONFIG_NOSYSTEM=1"),
    ("/usr/bin/ls", "/x/y", {}, None),
]


@pytest.mark.parametrize(("program", "path", "call", "advice"), ADVICE, ids=str)
def test_what_to_set(
    tmp_path: Path, program: str, path: str, call: Event, advice: str | None
) -> None:
    capture = write_session(
        tmp_path / "capture", [{"path": path, "exe": program} | call | {"ret": -2}]
    )
    (row,) = json.loads(run("misses", capture, "--json").stdout)
    assert (row["program"], row["misses"], row["prefix"]) == (program, 1, str(Path(path).parent))
    assert row["advice"] == advice if advice is None else advice in row["advice"]


@pytest.mark.skipif(shutil.which("strace") is None, reason="there is no strace")
@pytest.mark.skipif(not Path("/usr/lib/locale/C.utf8").is_dir(), reason="there is no C.utf8")
def test_the_advice_on_locales_holds() -> None:
    def misses(name: str) -> int:
        done = subprocess.run(
            ["strace", "-e", "trace=openat", "sort", "/dev/null"],
            env={"LC_ALL": name, "PATH": os.environ["PATH"]},
            capture_output=True,
            text=True,
            check=True,
        )
        return len(re.findall(r"/locale/.* ENOENT", done.stderr))

    assert misses("C.UTF-8") > 10 > misses("C.utf8") > misses("C") == 0


def test_misses_are_counted_by_program_and_directory(tmp_path: Path) -> None:
    events: list[Event] = [
        *({"path": f"/first/{n % 3}", "ret": -2, "exe": "/a"} for n in range(6)),
        {"path": "/second/1", "ret": -20, "exe": "/a"},
        {"path": "/first/1", "ret": -2, "exe": "/b"},
        {"path": "/first/1", "ret": -13, "exe": "/b"},  # it is there
        {"path": "/second/1", "exe": "/a"},
    ]
    rows = json.loads(run("misses", write_session(tmp_path / "c", events), "--json").stdout)
    got = [
        tuple(row[key] for key in ("program", "prefix", "misses", "names", "found")) for row in rows
    ]
    assert got == [
        ("/a", "/first", 6, 3, 0),
        ("/a", "/second", 1, 1, 1),
        ("/b", "/first", 1, 1, 0),
    ]
