# SPDX-License-Identifier: Apache-2.0
"""``snoop-capture cgroup`` and ``container``: until a signal, in real cgroups."""

import re
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import numpy
import pyarrow.parquet as pq
import pytest

from snoop_format.session import read_session
from tests.capture.conftest import Build
from tests.capture.recording import SNOOP_CAPTURE, Recording, environment
from tests.capture.services import Service
from tests.capture.trees import inside, made

pytestmark = pytest.mark.bpf

ID = "4f" * 32


def refused(*arguments: str | Path) -> str:
    """The one line with which a command is refused."""
    command = [SNOOP_CAPTURE, *map(str, arguments)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=60, env=environment()
    )
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    return done.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_cgroup_is_recorded_until_a_signal(
    tree: Path, capture: Path, build: Build, number: int
) -> None:
    service = Service(capture, "cgroup", made(tree / "a"), made(tree / "b"))
    for name in ("a", "b"):
        subprocess.run(inside(tree / name, build("calls"), "100", "1", "1", f"/in/{name}"))
    subprocess.run(inside(made(tree / "a" / "new"), build("calls"), "7", "1", "1", "/in/new"))
    subprocess.run(inside(made(tree / "c"), build("calls"), "100", "1", "1", "/in/c"))
    recording = service.stop(number)
    assert recording.code == 0
    assert re.search(r"^snoop-capture: \d+ events, 0 lost: /", recording.stderr, re.M)
    names = {c["cgroup_id"]: c["name"] for c in recording.session["containers"]}
    found = [(names[row["cgroup_id"]], row["path"]) for row in recording.rows]
    assert {key: found.count(key) for key in found if key[1].startswith("/in/")} == {
        ("a", "/in/a"): 100,
        ("b", "/in/b"): 100,
        ("a/new", "/in/new"): 7,
    }


def test_the_first_process_may_be_deep_below(tree: Path, capture: Path, build: Build) -> None:
    service = Service(capture, "cgroup", tree)
    deep = made(tree.joinpath(*["n"] * 40))
    subprocess.run(inside(deep, build("calls"), "7", "1", "1", "/in/deep"))
    recording = service.stop()
    assert [row["path"] for row in recording.rows].count("/in/deep") == 7


def test_what_is_there_already_is_named_at_once(tree: Path, capture: Path) -> None:
    """It may be gone in a moment, and the recorder killed."""
    web = made(tree / "web")
    service = Service(capture, "cgroup", web)
    named = read_session(service.session)["containers"]
    service.stop()
    assert [entry["cgroup_id"] for entry in named] == [web.stat().st_ino]


def test_its_files_may_be_for_root_alone(tree: Path, capture: Path, build: Build) -> None:
    """Such as an installation below /root: the recorder's user cannot read any of it."""
    packages = Path(numpy.__file__).parents[2]
    hide = """
        mkdir "$0"
        mount --bind "$1" "$0"
        mount -t tmpfs -o mode=0700 none "$1"
        for one in "$0"/*; do
          mkdir "$1/${one##*/}"
          mount --bind "$one" "$1/${one##*/}"
        done
        shift
        exec "$@"
    """
    kept = capture.with_name("kept")
    wrapper = ["unshare", "-m", "sh", "-e", "-c", hide, str(kept), str(packages)]
    small = ("--rotate-rows", "20", "--max-size", "64K")
    service = Service(capture, "cgroup", made(tree / "web"), *small, wrapper=wrapper)
    deadline = time.monotonic() + 60
    while not (service.session / "summary.parquet").exists():
        assert service.process.poll() is None, service.process.communicate()
        assert time.monotonic() < deadline
        subprocess.run(inside(tree / "web", build("calls"), "1000", "1", "1", "/in/web"))
    recording = service.stop()
    assert recording.code == 0, recording.stderr
    summary = pq.read_table(service.session / "summary.parquet")
    assert "/in/web" in summary["path"].to_pylist()


def test_a_container_by_the_beginning_of_its_id(tree: Path, capture: Path, build: Build) -> None:
    scope = made(tree / f"docker-{ID}.scope")
    service = Service(capture, "container", ID[:8], "--image", "web:1")
    subprocess.run(inside(scope, build("calls"), "10", "1", "1", "/in/it"))
    recording = service.stop()
    assert len(recording.where(path="/in/it")) == 10
    (container,) = recording.session["containers"]
    assert (container["name"], container["image"]) == (ID[:12], "web:1")


def test_the_recorder_leaves_itself_out(tree: Path, capture: Path, build: Build) -> None:
    """It is started in the part of the tree that it records."""
    own = made(tree / "tools" / "recorder")
    service = Service(capture, "cgroup", tree, cgroup=own)
    subprocess.run(inside(own, build("calls"), "10", "1", "1", "/beside/it"))
    subprocess.run(inside(made(tree / "web"), build("calls"), "10", "1", "1", "/in/web"))
    recording = service.stop()
    counts = [len(recording.where(path=path)) for path in ("/in/web", "/beside/it")]
    assert counts == [10, 0]
    assert {row["comm"] for row in recording.rows} <= {"sh", "calls"}
    assert "recorder" not in str(recording.session["containers"])


def test_names_outlive_the_recorder(tree: Path, capture: Path) -> None:
    service = Service(capture, "cgroup", tree)
    made(tree / f"docker-{ID}.scope")
    name, deadline = f'"{ID}"', time.monotonic() + 60
    while name not in next(capture.glob("*/session.json")).read_text():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    recording = service.stop(signal.SIGKILL)
    names = [container["name"] for container in recording.session["containers"]]
    assert names == [tree.name, ID[:12]]


def test_it_ends_with_what_it_records(tree: Path, capture: Path, build: Build) -> None:
    web = made(tree / "web")
    service = Service(capture, "cgroup", web)
    subprocess.run(inside(web, build("calls"), "10", "1", "1", "/in/web"))
    web.rmdir()
    made(web)  # another one, with its name
    _, stderr = service.process.communicate(timeout=60)
    recording = Recording(capture, service.process.returncode, b"", stderr)
    assert recording.code == 0
    assert "the recording ends: what it records has been removed" in stderr
    assert len(recording.where(path="/in/web")) == 10
    assert recording.session["ended_at"]


@pytest.mark.parametrize("own", [True, False], ids=["anew", "roots"])
def test_whose_the_capture_is(tree: Path, capture: Path, own: bool) -> None:
    """The caller of sudo's; where he cannot write, root's, but then without capabilities."""
    if not own:
        capture.mkdir()
    sudo = {"SUDO_UID": "65534", "SUDO_GID": "65533"}
    service = Service(capture, "cgroup", made(tree / "a"), env=sudo)
    lines = Path(f"/proc/{service.process.pid}/status").read_text().splitlines()
    status = dict(line.split(":\t", 1) for line in lines)
    recording = service.stop()
    user, group = (65534, 65533) if own else (0, 0)
    assert [status[name].split() for name in ("Uid", "Gid")] == [[str(user)] * 4, [str(group)] * 4]
    assert {int(status[f"Cap{name}"], 16) for name in ("Prm", "Eff")} == {0}
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
    warning = f"user 65534 cannot write to {capture}: the recorder stays user 0, without capab"
    assert (warning in recording.stderr) is not own
    owners = {(file.stat().st_uid, file.stat().st_gid) for file in recording.directory.iterdir()}
    assert owners == {(user, group)}


@pytest.mark.parametrize("place", ["", "init", "deep/er"])
def test_the_recorders_own_cgroup_is_refused(tree: Path, tmp_path: Path, place: str) -> None:
    """It is that of its container, wherever in that the recorder runs."""
    own = made(tree / f"docker-{'ab' * 32}.scope")
    named = own / place.partition("/")[0] if "/" in place else own
    where = made(own / place)
    command = inside(where, SNOOP_CAPTURE, "cgroup", str(named), "-o", str(tmp_path / "capture"))
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"{own} is the recorder's own cgroup" in done.stderr


REFUSED: dict[str, tuple[Sequence[str], str]] = {
    "no cgroup": (["cgroup", "/no/such"], "/no/such is no cgroup: give a directory below /"),
    "no container": (["container", "4f4f4f"], "no container 4f4f4f in the cgroup tree"),
    "no pod": (["pod"], "no cgroup above this process carries a pod's UID"),
    "labels": (["cgroup", "/", "--labels-file", "/none"], "cannot read the labels in /none"),
    "not labels": (["cgroup", "/", "--labels-file", "/etc/os-release"], "does not hold labels"),
    "no account": (
        ["pod", "--kubernetes", "--pod-name", "a", "--namespace", "b"],
        "--kubernetes needs a pod with a service account",
    ),
    "no pod's name": (["pod", "--kubernetes"], "give --pod-name and --namespace, or POD_NAME"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_recorded_is_refused(tmp_path: Path, case: str) -> None:
    arguments, said = REFUSED[case]
    assert said in refused(*arguments, "-o", tmp_path / "capture")
    assert not (tmp_path / "capture").exists()


def test_a_place_that_cannot_be_written(tree: Path) -> None:
    target = made(tree / "a")
    assert refused("cgroup", target, "-o", "/proc/none").startswith(
        "snoop-capture: cannot make /proc/none: "
    )


def test_sighup_begins_a_new_segment(tree: Path, capture: Path, build: Build) -> None:
    web = made(tree / "web")
    service = Service(capture, "cgroup", web)
    deadline = time.monotonic() + 60
    while not (service.session / "events-00000002.parquet").exists():
        assert time.monotonic() < deadline
        subprocess.run(inside(web, build("calls"), "10", "1", "1", "/in/web"))
        service.process.send_signal(signal.SIGHUP)
        time.sleep(0.5)
    recording = service.stop()
    assert len(recording.where(path="/in/web")) % 10 == 0
    assert len(recording.session["segments"]) >= 2
    assert recording.table["seq"].to_pylist() == list(range(len(recording.rows)))


def test_a_second_signal_ends_at_once(tree: Path, capture: Path, build: Build) -> None:
    web = made(tree / "web")
    service = Service(capture, "cgroup", web)
    subprocess.run(inside(web, build("calls"), "10", "1", "1", "/in/web"))
    time.sleep(1.5)  # a flush interval, and some
    service.process.send_signal(signal.SIGSTOP)  # so that both have come when it goes on
    service.process.send_signal(signal.SIGTERM)
    service.process.send_signal(signal.SIGINT)
    service.process.send_signal(signal.SIGCONT)
    _, stderr = service.process.communicate(timeout=60)
    recording = Recording(capture, service.process.returncode, b"", stderr)
    assert recording.code in (128 + signal.SIGTERM, 128 + signal.SIGINT)
    assert len(recording.where(path="/in/web")) == 10
