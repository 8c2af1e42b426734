# SPDX-License-Identifier: Apache-2.0
"""What cannot be done is refused in one sentence, before anything was started."""

import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from snoop_capture import cgroups
from tests.capture.recording import QUICK, SNOOP_CAPTURE, Argument, Recorder, environment

needs_bpf = pytest.mark.bpf  # that is, root: to take rights away, and to mount


def refused(
    *arguments: Argument, wrapper: Sequence[Argument] = (), cwd: Path | None = None
) -> tuple[int, str]:
    """Exit code and message of ``snoop-capture run`` that fails."""
    done = subprocess.run(
        [*wrapper, SNOOP_CAPTURE, "run", *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        cwd=cwd,
        env=environment(),
        timeout=60,
        check=False,
    )
    assert done.returncode != 0
    assert done.stdout == ""
    assert "Traceback" not in done.stderr, done.stderr
    lines = done.stderr.rstrip("\n").splitlines()
    if lines and lines[0].startswith("Usage: "):
        # A mistake on the command line: click says how to call it first.
        assert lines[-1].startswith("Error: "), done.stderr
    else:
        assert len(lines) == 1, done.stderr
        assert lines[0].startswith("snoop-capture: "), done.stderr
    return done.returncode, lines[-1]


def in_mount_namespace(mount: str) -> list[Argument]:
    """A wrapper: run what follows where ``mount`` was done and nobody else sees it."""
    return ["unshare", "-m", "sh", "-e", "-c", f'{mount}; exec "$@"', "sh"]


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    return tmp_path / "capture"


# Without rights, or without what the kernel must give.


@needs_bpf
def test_not_root(capture: Path) -> None:
    nobody = ["setpriv", "--reuid", "65534", "--clear-groups"]
    if subprocess.run([*nobody, "test", "-x", SNOOP_CAPTURE], check=False).returncode:
        pytest.skip(f"uid 65534 may not execute {SNOOP_CAPTURE}")
    code, message = refused("-o", capture, "--", "true", wrapper=nobody)
    assert code == 1
    assert "needs CAP_PERFMON and CAP_BPF" in message
    assert "sudo" in message


@needs_bpf
def test_in_a_user_namespace(capture: Path) -> None:
    """As in a rootless container: capabilities do not count outside of the namespace."""
    code, message = refused("-o", capture, "--", "true", wrapper=["unshare", "-U", "-r"])
    assert code == 1
    assert "not possible in a user namespace" in message


@needs_bpf
@pytest.mark.parametrize(("taken", "missing"), [("bpf", "CAP_BPF"), ("perfmon", "CAP_PERFMON")])
def test_the_capability_that_is_missing_is_named(capture: Path, taken: str, missing: str) -> None:
    wrapper = ["setpriv", "--bounding-set", f"-sys_admin,-{taken}"]
    code, message = refused("-o", capture, "--", "true", wrapper=wrapper)
    assert code == 1
    assert f"needs {missing}, " in message
    assert not capture.exists()


@needs_bpf
def test_no_cgroup_v2(capture: Path) -> None:
    wrapper = in_mount_namespace(f"umount -l {cgroups.mount_point()}")
    code, message = refused("-o", capture, *QUICK, "--", "true", wrapper=wrapper)
    assert code == 1
    assert "cgroup v2 is not mounted" in message


@needs_bpf
def test_cgroup_v2_is_read_only(capture: Path) -> None:
    point = cgroups.mount_point()
    wrapper = in_mount_namespace(f"mount -o remount,bind,ro {point}")
    code, message = refused("-o", capture, *QUICK, "--", "true", wrapper=wrapper)
    assert code == 1
    assert f"cannot make the cgroup {point}" in message


@needs_bpf
def test_no_btf(capture: Path) -> None:
    wrapper = in_mount_namespace("mount -t tmpfs none /sys/kernel/btf")
    code, message = refused("-o", capture, "--", "true", wrapper=wrapper)
    assert code == 1
    assert "no BTF (/sys/kernel/btf/vmlinux)" in message


@needs_bpf
@pytest.mark.parametrize("most", [8, 12, 16, 24])
def test_too_few_file_descriptors(capture: Path, most: int) -> None:
    wrapper = ["prlimit", f"--nofile={most}"]
    code, message = refused("-o", capture, *QUICK, "--", "true", wrapper=wrapper)
    assert code == 1
    assert "Too many open files" in message


@needs_bpf
def test_the_loader_is_killed(record: Recorder) -> None:
    """As the kernel does where memory is short."""
    with record.start(["true"]) as running:
        os.kill(running.loader(), signal.SIGKILL)
        recording = running.finish()
    assert recording.code == 1
    assert recording.stderr.endswith("without an answer: killed by SIGKILL (out of memory?)\n")
    assert recording.stderr.count("\n") == 1


# Places where a capture cannot go.


@needs_bpf
def test_output_on_a_read_only_file_system(tmp_path: Path) -> None:
    wrapper = in_mount_namespace(f"mount -t tmpfs -o ro none '{tmp_path}'")
    code, message = refused("-o", tmp_path, "--", "true", wrapper=wrapper)
    assert code == 1
    assert message == f"snoop-capture: cannot write to {tmp_path}: Read-only file system"


@needs_bpf
def test_output_below_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    code, message = refused("-o", tmp_path / "file" / "capture", "--", "true")
    assert code == 1
    assert f"cannot write to {tmp_path}/file/capture" in message


@needs_bpf
def test_output_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    _, message = refused("-o", tmp_path / "file", "--force", "--", "true")
    assert "is a file" in message
    assert (tmp_path / "file").read_text() == "mine"


@needs_bpf
@pytest.mark.parametrize("where", ["session", "."])
def test_output_holds_a_capture(capture: Path, where: str) -> None:
    (capture / where).mkdir(parents=True)
    session = capture / where / "session.json"
    session.write_text('{"format": 1}')
    code, message = refused("-o", capture, "--", "true")
    assert code == 1
    assert f"{capture} already holds a capture" in message
    assert "--force" in message
    assert session.read_text() == '{"format": 1}'


@needs_bpf
def test_a_capture_is_replaced_only_by_another(capture: Path) -> None:
    session = capture / "session" / "session.json"
    session.parent.mkdir(parents=True)
    session.write_text('{"format": 1}')
    wrapper = in_mount_namespace(f"mount -o remount,bind,ro {cgroups.mount_point()}")
    refused("-o", capture, "--force", *QUICK, "--", "true", wrapper=wrapper)
    assert [path for path in capture.rglob("*") if path.is_file()] == [session]
    assert list(capture.iterdir()) == [session.parent]


# Commands that cannot be run.


@needs_bpf
@pytest.mark.parametrize("name", ["no-such-program", "/no/such/program", "./no-such", "tests", "."])
def test_command_not_found(capture: Path, name: str) -> None:
    code, message = refused("-o", capture, "--", name)
    assert code == 127
    assert message == f"snoop-capture: command not found: {name}"


@needs_bpf
def test_the_empty_command_is_not_found(capture: Path) -> None:
    assert refused("-o", capture, "--", "") == (127, "snoop-capture: command not found: ''")


@needs_bpf
def test_command_is_not_executable(capture: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch(0o644)
    code, message = refused("-o", capture, "--", tmp_path / "file")
    assert code == 126
    assert f"cannot execute {tmp_path}/file: it is not executable" in message


@needs_bpf
def test_command_is_a_directory(capture: Path, tmp_path: Path) -> None:
    code, message = refused("-o", capture, "--", tmp_path)
    assert code == 126
    assert message == f"snoop-capture: cannot execute {tmp_path}: it is a directory"


@needs_bpf
@pytest.mark.parametrize(
    ("content", "reason"),
    [("what is this?", "Exec format error"), ("#!/no/interpreter\n", "No such file or directory")],
)
def test_command_that_the_kernel_refuses(
    capture: Path, tmp_path: Path, content: str, reason: str
) -> None:
    (tmp_path / "file").write_text(content)
    (tmp_path / "file").chmod(0o755)
    code, message = refused("-o", capture, *QUICK, "--", tmp_path / "file")
    assert code == 126
    assert message == f"snoop-capture: cannot execute {tmp_path}/file: {reason}"


@needs_bpf
def test_a_command_not_found_leaves_nothing(capture: Path) -> None:
    refused("-o", capture / "below", "--", "no-such-program")
    assert not capture.exists()


# Options.


@pytest.mark.parametrize("size", ["0", "1", "4095", "99G", "2G", "9" * 40])
def test_a_ring_of_an_impossible_size(capture: Path, size: str) -> None:
    code, message = refused("-o", capture, "--ring-buffer-size", size, "--", "true")
    assert code == 2
    assert f"'--ring-buffer-size': '{size}' is too " in message
    assert "give 4K or more" in message or "give 1G or less" in message


def test_an_output_without_a_name(tmp_path: Path) -> None:
    code, message = refused("-o", "", "--", "true", cwd=tmp_path)
    assert code == 2
    assert "it is empty; give a directory, or . for this one" in message
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("size", ["abc", "-1", "", "K", "1.5M", "16X", "1 M", "²"])
def test_a_ring_size_that_is_none(capture: Path, size: str) -> None:
    code, message = refused("-o", capture, f"--ring-buffer-size={size}", "--", "true")
    assert code == 2
    assert "is not a size" in message


@pytest.mark.parametrize("seconds", ["0", "-1", "61", "nan", "soon"])
def test_a_flush_interval_that_is_none(capture: Path, seconds: str) -> None:
    code, message = refused("-o", capture, f"--flush-interval={seconds}", "--", "true")
    assert code == 2
    assert "--flush-interval" in message


@pytest.mark.parametrize("arguments", [[], ["--"]])
def test_no_command(capture: Path, arguments: list[str]) -> None:
    code, message = refused("-o", capture, *arguments)
    assert code == 2
    assert "Missing argument" in message


def test_an_unknown_option() -> None:
    code, message = refused("--no-such-option", "--", "true")
    assert code == 2
    assert "--no-such-option" in message
