# SPDX-License-Identifier: Apache-2.0
"""``snoop-capture run`` is as good as the command itself: streams, signals, exit code, user."""

import json
import os
import re
import shutil
import signal
import subprocess
import time
from datetime import datetime
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from snoop_capture import cgroups
from snoop_format.schema import EVENTS, RESTARTED
from tests.capture.conftest import Build
from tests.capture.recording import QUICK, SNOOP_CAPTURE, Recorder, Recording, environment

pytestmark = pytest.mark.bpf

NOBODY = 65534


@pytest.fixture(scope="module")
def cat(record: Recorder) -> Recording:
    return record(["cat", "/etc/hostname"], "--ring-buffer-size", "16M")


def test_the_files_of_cat(cat: Recording) -> None:
    program = shutil.which("cat")
    first = cat.rows[0]
    assert (first["syscall"], first["path"], first["ret"]) == ("execve", program, 0)
    assert first["real_path"] == os.path.realpath(program or "")
    assert cat.one(path="/etc/hostname", syscall="openat")["ret"] >= 0
    assert cat.one(path="/etc/ld.so.cache", syscall="openat")["ret"] >= 0
    assert any(path and path.endswith("/libc.so.6") for path in cat.paths)


def test_cat_does_what_cat_does(cat: Recording) -> None:
    assert (cat.code, cat.stdout) == (0, Path("/etc/hostname").read_bytes())
    assert "left_running" not in cat.session


def test_the_closing_line(cat: Recording) -> None:
    events, paths = len(cat.rows), len(cat.paths)
    expected = f"snoop-capture: {events} events, {paths} distinct paths, 0 lost: {cat.directory}\n"
    assert cat.stderr == expected


def test_the_capture_is_sealed(cat: Recording) -> None:
    assert {file.name for file in cat.directory.iterdir()} == {
        "session.json",
        "events-00000001.parquet",
    }
    file = pq.ParquetFile(cat.directory / "events-00000001.parquet")
    assert file.schema_arrow.equals(EVENTS)
    assert file.metadata.metadata[b"snoop.format"] == b"1"


def test_the_session_describes_itself(cat: Recording) -> None:
    session = cat.session
    assert session["format"] == 1
    assert session["session_id"] == cat.directory.name
    assert session["command"] == ["cat", "/etc/hostname"]
    assert session["losses"] == {}
    (container,) = session["containers"]
    assert container["name"] == "cat"
    assert {row["cgroup_id"] for row in cat.rows} == {container["cgroup_id"]}
    (segment,) = session["segments"]
    assert (segment["rows"], segment["first_seq"]) == (len(cat.rows), 0)
    assert segment["last_seq"] == len(cat.rows) - 1


def test_times_are_those_of_the_clock(cat: Recording) -> None:
    started, ended = (
        datetime.fromisoformat(cat.session[key]) for key in ("started_at", "ended_at")
    )
    times = [row["ts"] for row in cat.rows]
    assert times == sorted(times)
    assert started <= times[0]
    assert times[-1] <= ended


def test_the_cgroup_is_gone(cat: Recording) -> None:
    (container,) = cat.session["containers"]
    assert not (cgroups.mount_point() / container["cgroup_path"].lstrip("/")).exists()


def test_standard_streams_and_exit_code_pass_through(record: Recorder) -> None:
    data = bytes(range(256)) * 4096  # more than a pipe holds
    recording = record(["sh", "-c", "cat; echo to stderr >&2; exit 3"], stdin=data)
    assert recording.code == 3
    assert recording.stdout == data
    assert recording.stderr.startswith("to stderr\n")


def test_a_killed_command_gives_128_and_the_signal(record: Recorder) -> None:
    recording = record(["sh", "-c", "kill -KILL $$"])
    assert recording.code == 128 + signal.SIGKILL
    assert recording.summary["lost"] == 0


def test_the_environment_and_directory_pass_through(record: Recorder, tmp_path: Path) -> None:
    env = environment(MARK="mark of the test")
    recording = record(["sh", "-c", 'echo "$MARK"; pwd; cat relative'], cwd=tmp_path, env=env)
    assert recording.stdout.decode() == f"mark of the test\n{tmp_path}\n"
    assert recording.one(path="relative", syscall="openat")["base"] == str(tmp_path)


def test_the_command_starts_with_nothing_of_the_recorder(record: Recorder) -> None:
    show = "ls /proc/self/fd | wc -l; grep -E '^Sig(Blk|Ign)' /proc/self/status"
    expected = subprocess.run(["sh", "-c", show], capture_output=True, check=True).stdout
    assert record(["sh", "-c", show]).stdout == expected


def test_options_after_the_command_are_the_commands(tmp_path: Path) -> None:
    capture = tmp_path / "capture"
    words = ["echo", "-o", "elsewhere", "--force"]
    command = [SNOOP_CAPTURE, "run", "-o", str(capture), *words]  # no "--"
    done = subprocess.run(command, capture_output=True, check=True, cwd=tmp_path, env=environment())
    assert done.stdout == b"-o elsewhere --force\n"
    assert [file.name for file in tmp_path.iterdir()] == ["capture"]


@pytest.mark.parametrize("code", [0, 3])
@pytest.mark.parametrize("place", ["a pipe that nobody reads", "a full disk"])
def test_a_closing_line_that_nobody_takes_is_no_failure(
    tmp_path: Path, place: str, code: int
) -> None:
    with open("/dev/full", "wb") as full:  # noqa: PTH123
        if place == "a pipe that nobody reads":
            reader, writer = os.pipe()
            os.close(reader)
            os.dup2(writer, full.fileno())
            os.close(writer)
        command = [SNOOP_CAPTURE, "run", "-o", str(tmp_path / "capture"), *QUICK]
        command += ["sh", "-c", f"sleep 1 & exit {code}"]
        done = subprocess.run(command, stderr=full, check=False, env=environment())
    assert done.returncode == code
    (session,) = (tmp_path / "capture").glob("*/session.json")
    assert json.loads(session.read_text())["ended_at"]


def test_signals_reach_the_command(record: Recorder) -> None:
    script = """
        trap 'echo got USR1' USR1; trap 'echo got HUP' HUP; trap 'echo got INT' INT
        echo ready
        while :; do sleep 0.01; done
    """
    with record.start(["sh", "-c", script]) as running:
        assert running.line() == b"ready\n"
        for number in (signal.SIGUSR1, signal.SIGHUP, signal.SIGINT):
            running.process.send_signal(number)
            assert running.line() == f"got {number.name.removeprefix('SIG')}\n".encode()
        running.process.send_signal(signal.SIGTERM)
        recording = running.finish()
    assert recording.code == 128 + signal.SIGTERM
    assert recording.session["ended_at"] is not None
    assert recording.summary["events"] == len(recording.rows) > 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_command_while_it_is_held_back(record: Recorder, number: int) -> None:
    """As a terminal sends one, to all of its foreground."""
    with record.start(["true"], process_group=0) as running:
        running.command()
        os.killpg(running.process.pid, number)
        recording = running.finish()
    assert recording.code == 128 + number
    assert recording.stderr.startswith("snoop-capture: 0 events, ")


def test_what_the_command_leaves_behind_goes_on(record: Recorder, tmp_path: Path) -> None:
    done = tmp_path / "done"
    left = f"(sleep 1; cat /etc/hostname; touch '{done}') >/dev/null 2>&1 &"
    recording = record(["sh", "-c", left])
    assert recording.code == 0
    # The shell, and sleep if it was started before the command ended.
    warning, closing = recording.stderr.splitlines()
    said = re.fullmatch(
        r"snoop-capture: left running, unrecorded from here: ([12]) of the command's processes",
        warning,
    )
    assert said, warning
    assert re.fullmatch(rf"snoop-capture: \d+ events, .*: {recording.directory}", closing)
    assert recording.session["left_running"] == int(said[1])
    assert "/etc/hostname" not in recording.paths
    directory = recording.session["containers"][0]["cgroup_path"].lstrip("/")
    assert not (cgroups.mount_point() / directory).exists()
    deadline = time.monotonic() + 10
    while not done.exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_one_that_is_left_without_its_first_thread(record: Recorder, build: Build) -> None:
    leave = "$0 >/dev/null 2>&1 & until grep -q 'State:.Z' /proc/$!/status; do :; done; echo $!"
    recording = record(["sh", "-c", leave, build("second")])
    os.kill(int(recording.stdout), signal.SIGKILL)
    assert recording.session["left_running"] == 1


def test_a_child_outlives_the_first_process(record: Recorder) -> None:
    """All of the command is recorded, not only its first process and what that waits for."""
    recording = record(
        ["sh", "-c", "(cat /etc/passwd | cat) >/dev/null; cat /etc/group >/dev/null"]
    )
    assert {"/etc/passwd", "/etc/group"} <= recording.paths
    assert len({row["pid"] for row in recording.rows}) >= 4


def test_many_short_processes_are_told_apart(record: Recorder) -> None:
    recording = record(["sh", "-c", "for i in $(seq 300); do /bin/true; done"])
    starts = recording.where(path="/bin/true", syscall="execve")
    assert len({row["pid"] for row in starts}) == 300
    programs = [(name, os.path.realpath(f"/usr/bin/{name}")) for name in ("sh", "seq", "true")]
    assert {row["exe"] for row in starts} == {os.path.realpath("/bin/true")}
    for row in recording.rows:
        assert (row["comm"], row["exe"]) in programs
    assert recording.lost == 0


def test_a_recording_of_a_recording(record: Recorder) -> None:
    """Both record the command: the inner one's cgroup lies below the outer one's."""
    inner = record.new_capture()
    outer = record([SNOOP_CAPTURE, "run", *QUICK, "-o", inner, "--", "cat", "/etc/hostname"])
    assert outer.code == 0, outer.stderr
    whole = Recording(inner, 0, b"", "")
    nested = {row["cgroup_id"] for row in whole.rows}
    shown = ["syscall", "path", "ret", "note", "base"]
    same = [row for row in outer.rows if row["cgroup_id"] in nested]
    assert [[row[c] for c in shown] for row in same] == [
        [row[c] for c in shown] for row in whole.rows
    ]


def test_the_working_directory_may_be_gone(record: Recorder, tmp_path: Path) -> None:
    gone = ["sh", "-c", 'cd "$0" && rmdir "$0" && exec "$@"', str(tmp_path)]
    recording = record(["cat", "/etc/hostname"], wrapper=gone)
    assert recording.code == 0, recording.stderr
    assert "/etc/hostname" in recording.paths


@pytest.mark.parametrize("name", [os.fsdecode(b"not-utf-8-\xff"), "s3://a", "file:a", "a\nb"])
def test_a_capture_may_have_any_name(record: Recorder, tmp_path: Path, name: str) -> None:
    recording = record(["true"], "-o", name, cwd=tmp_path)
    assert recording.code == 0, recording.stderr
    assert recording.summary["paths"] > 0
    assert list((tmp_path / name).glob("*/events-00000001.parquet"))


def test_a_name_that_is_not_utf8_is_escaped_in_the_session(
    record: Recorder, tmp_path: Path
) -> None:
    program = os.fsdecode(os.fsencode(tmp_path) + b"/true\xff")
    shutil.copy("/bin/true", program)
    session = record([program, b"\xfe"]).session
    assert session["command"] == [f"{tmp_path}/true\\xff", "\\xfe"]
    assert [container["name"] for container in session["containers"]] == ["true\\xff"]


@pytest.mark.parametrize("streams", ["<&- >&- 2>&-", "<&- 2>&-", ">&- 2>&-", "2>&-", "<&-"])
def test_without_standard_streams(record: Recorder, streams: str) -> None:
    closed = ["sh", "-c", f'exec "$@" {streams}', "sh"]
    recording = record(["sh", "-c", "[ -e /etc/hostname ]; exit 4"], wrapper=closed)
    assert recording.code == 4
    assert "/etc/hostname" in recording.paths


def test_a_call_that_ends_with_its_process_has_no_result(record: Recorder, tmp_path: Path) -> None:
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    recording = record(["timeout", "-s", "KILL", "0.3", "cat", fifo])
    row = recording.one(path=str(fifo), syscall="openat")
    assert (row["ret"], row["note"], row["comm"]) == (None, RESTARTED, "cat")


def on_a_disk_of(
    record: Recorder, place: Path, size: str, command: list[str], *options: str
) -> tuple[Recording, Recording]:
    """What the recorder said, and what it left on the disk."""
    capture, copy = place / "disk" / "capture", place / "copy"
    script = f"""
        mkdir '{capture.parent}'
        mount -t tmpfs -o size={size} none '{capture.parent}'
        "$@"
        code=$?
        cp -r '{capture}' '{copy}'
        exit $code
    """
    wrapper = ["unshare", "-m", "sh", "-c", script, "sh"]
    recording = record(command, "-o", str(capture), *options, wrapper=wrapper)
    assert f"snoop-capture: cannot write to {capture}/" in recording.stderr
    assert recording.stderr.count(": No space left on device; events wait") == 1
    return recording, Recording(copy, recording.code, b"", "")


def test_a_full_disk_ends_the_recording_not_the_command(record: Recorder, tmp_path: Path) -> None:
    command = ["sh", "-c", "find /usr -xdev >/dev/null; echo end"]
    said, left = on_a_disk_of(record, tmp_path, "64k", command, "--flush-interval", "0.01")
    assert (said.code, said.stdout) == (1, b"end\n")
    assert "ends early: No space left on device; what was written before is" in said.stderr
    assert len(left.rows) > 100
    assert [row["seq"] for row in left.rows] == list(range(len(left.rows)))


# Without room for a segment of a few events, and for one of a tenth of them.
@pytest.mark.parametrize(("size", "least"), [("16k", 0), ("64k", 500), ("256k", 4000)])
def test_a_disk_too_small_for_the_first_batch(
    record: Recorder, tmp_path: Path, size: str, least: int
) -> None:
    """It takes what it has room for; the rest is counted, also on the disk."""
    large = ("--ring-buffer-size", "16M")
    command = ["find", "/usr", "-xdev", "-fprint", "/dev/null"]
    issued = len(record(command, *large).rows)
    said, left = on_a_disk_of(record, tmp_path, size, command, *large)
    lost = issued - len(left.rows)
    assert said.code == 1
    assert len(left.rows) >= least
    assert [row["seq"] for row in left.rows] == list(range(len(left.rows)))
    assert left.session["losses"] == {"not_written": lost}
    assert [one["losses"] for one in left.session["containers"]] == [{"not_written": lost}]
    assert f"{len(left.rows)} events, " in said.stderr
    assert f"{lost} lost ({lost} not_written)" in said.stderr
    assert "No space left on device" in said.stderr.splitlines()[-1]


def test_a_relative_directory_whose_start_is_moved(tmp_path: Path) -> None:
    (tmp_path / "build").mkdir()
    (tmp_path / "other").mkdir()
    command = [SNOOP_CAPTURE, "run", *QUICK, "-o", "../capture", "--"]
    done = subprocess.run(
        [*command, "mv", "../build", "../other"],
        cwd=tmp_path / "build",
        capture_output=True,
        text=True,
        check=False,
    )
    recording = Recording(tmp_path / "capture", done.returncode, b"", done.stderr)
    assert (recording.code, recording.session["losses"]) == (0, {})
    assert recording.session["ended_at"] is not None
    assert recording.summary["events"] == len(recording.rows) > 10
    assert list((tmp_path / "other" / "build").iterdir()) == []


def test_what_is_removed_while_it_is_recorded(record: Recorder) -> None:
    with record.start(["sh", "-c", "echo; read line; cat /etc/hostname"]) as running:
        running.line()
        (session,) = running.capture.iterdir()
        shutil.rmtree(session)
        recording = running.finish(b"\n")
    assert recording.code == 1
    lost = recording.session["losses"]["removed"]
    assert recording.summary == {"events": len(recording.rows), "paths": 0, "lost": lost}
    assert recording.stderr.splitlines()[-1] == (
        f"{lost} events are lost, for their files were removed while recording"
    )


def test_a_removed_session_that_cannot_be_made_again(record: Recorder) -> None:
    """A file stands where the capture was: all is lost, and it says so."""
    with record.start(["sh", "-c", "echo; read line; cat /etc/hostname"]) as running:
        running.line()
        shutil.rmtree(running.capture)
        running.capture.write_text("mine")
        recording = running.finish(b"\n")
    assert recording.code == 1
    assert f"the capture {recording.capture}/" in recording.stderr
    assert "ends early: it was removed, and cannot be made again" in recording.stderr
    assert re.search(r"; 0 events, \d+ lost \(\d+ ", recording.stderr)


def test_under_sudo_command_and_capture_are_the_users(record: Recorder) -> None:
    env = environment(SUDO_UID=str(NOBODY), SUDO_GID=str(NOBODY))
    recording = record(["sh", "-c", "id -u; id -g; id -G; echo $HOME"], env=env)
    assert recording.stdout.split()[:3] == [b"65534"] * 3
    assert {row["uid"] for row in recording.rows} == {NOBODY}
    files = [recording.capture, recording.directory, *recording.directory.iterdir()]
    assert {(file.stat().st_uid, file.stat().st_gid) for file in files} == {(NOBODY, NOBODY)}


def test_under_sudo_only_what_was_made_becomes_the_users(record: Recorder, tmp_path: Path) -> None:
    env = environment(SUDO_UID=str(NOBODY), SUDO_GID=str(NOBODY))
    tmp_path.chmod(0o755)
    recording = record(["true"], "-o", str(tmp_path), env=env)
    assert recording.code == 0, recording.stderr
    (session,) = tmp_path.iterdir()
    assert (tmp_path.stat().st_uid, session.stat().st_uid) == (0, NOBODY)
    recording = record(["true"], "-o", str(tmp_path / "a" / "b"), env=env)
    assert {path.stat().st_uid for path in (tmp_path / "a").rglob("*")} == {NOBODY}
    assert (tmp_path / "a").stat().st_uid == NOBODY


def test_two_capabilities_are_enough(record: Recorder) -> None:
    only = "-all,+bpf,+perfmon,+dac_override"  # the last one to make a cgroup
    wrapper = ["setpriv", "--bounding-set", only, "--inh-caps", only]
    recording = record(["true"], wrapper=wrapper)
    assert recording.code == 0, recording.stderr
    assert recording.rows


def test_force_replaces_a_capture(record: Recorder) -> None:
    first = record(["cat", "/etc/hostname"])
    (first.capture / "notes").write_text("mine")
    second = record(["cat", "/etc/passwd"], "-o", str(first.capture), "--force")
    assert second.code == 0, second.stderr
    now = Recording(first.capture, second.code, second.stdout, second.stderr)
    assert "/etc/passwd" in now.paths
    assert "/etc/hostname" not in now.paths
    assert (first.capture / "notes").read_text() == "mine"


def test_force_replaces_a_session(record: Recorder) -> None:
    """The directory may be that of a session, too."""
    first = record(["true"])
    second = record(["cat", "/etc/passwd"], "-o", str(first.directory), "--force")
    assert second.code == 0, second.stderr
    assert "/etc/passwd" in Recording(first.directory, 0, b"", "").paths
    assert [path.is_dir() for path in first.directory.iterdir()] == [True]


def test_output_is_on_disk_while_the_command_runs(record: Recorder) -> None:
    with record.start(["sh", "-c", "cat /etc/hostname; read line"]) as running:
        assert running.line()
        deadline = time.monotonic() + 10
        partial = Recording(running.capture, 0, b"", "")
        while "/etc/hostname" not in partial.paths:
            assert time.monotonic() < deadline, "nothing on disk after 10 s"
            time.sleep(0.1)
            partial = Recording(running.capture, 0, b"", "")
        assert json.loads((partial.directory / "session.json").read_text())["ended_at"] is None
        whole = running.finish(b"\n")
    assert whole.rows[: len(partial.rows)] == partial.rows


def test_modules_in_the_working_directory_are_not_run(record: Recorder, tmp_path: Path) -> None:
    for name in ("bcc", "json", "snoop_capture"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('ran a stranger's file')\n")
    recording = record(["true"], cwd=tmp_path)
    assert recording.code == 0, recording.stderr
