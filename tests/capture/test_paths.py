# SPDX-License-Identifier: Apache-2.0
"""A path is recorded as it was passed, whatever bytes it consists of."""

import sys
from pathlib import Path

import pytest

from snoop_format.schema import DELETED, UNREADABLE
from tests.capture.conftest import Build
from tests.capture.recording import Argument, Recorder, Recording, Row

pytestmark = pytest.mark.bpf

ENOENT, EFAULT, EINVAL, ENAMETOOLONG = -2, -14, -22, -36
LONGEST = b"/" + b"/".join([b"x" * 255] * 16)[:4094]

# name: path as passed, column path, column path_bytes, column ret
READ: dict[str, tuple[bytes, str, bytes | None, int]] = {
    "newline": (b"/no/a\nb", "/no/a\nb", None, ENOENT),
    "tab and carriage return": (b"/no/\t\r", "/no/\t\r", None, ENOENT),
    "quotes": (b"/no/'\"`", "/no/'\"`", None, ENOENT),
    "backslash": (b"/no/\\n", "/no/\\n", None, ENOENT),
    "escape": (b"/no/\x1b[31m", "/no/\x1b[31m", None, ENOENT),
    "emoji": ("/no/🐳".encode(), "/no/🐳", None, ENOENT),
    "combining letters": ("/no/e\u0301".encode(), "/no/e\u0301", None, ENOENT),
    "not UTF-8": (b"/no/\xff\xfe", "/no/\\xff\\xfe", b"/no/\xff\xfe", ENOENT),
    "cut UTF-8": (b"/no/\xf0\x9f", "/no/\\xf0\\x9f", b"/no/\xf0\x9f", ENOENT),
    "surrogate": (b"/no/\xed\xa0\x80", "/no/\\xed\\xa0\\x80", b"/no/\xed\xa0\x80", ENOENT),
    "as not UTF-8 is escaped": (b"/no/\\xff\\xfe", "/no/\\xff\\xfe", None, ENOENT),
    "dots and slashes": (b"/no//./a/../b/", "/no//./a/../b/", None, ENOENT),
    "empty": (b"", "", None, ENOENT),
    "one byte": (b"/", "/", None, 0),
    "4,095 bytes": (LONGEST, LONGEST.decode(), None, ENOENT),
}

# name: step of tests/programs/steps.c, column ret
UNREAD: dict[str, tuple[list[Argument], int]] = {
    "4,096 bytes": (["stat", LONGEST + b"y"], ENAMETOOLONG),
    "5,000 bytes": (["stat", b"/" * 5000], ENAMETOOLONG),
    "an address in the first page": (["bad", "0x10"], EFAULT),
    "an address in the kernel": (["bad", "0xffffffff81000000"], EFAULT),
    "an address that is none": (["bad", "0x8000000000000000"], EFAULT),
    "no end before the end of memory": (["edge"], EFAULT),
}


def stats(recording: Recording) -> list[Row]:
    """The rows of the program's own calls: those before it prints its first line are libc's."""
    return [row for row in recording.where(syscall="newfstatat") if row["dirfd"] == -100]


@pytest.fixture(scope="module")
def recording(record: Recorder, build: Build) -> Recording:
    steps: list[Argument] = []
    for path, *_ in READ.values():
        steps += ["stat", path]
    for step, _ in UNREAD.values():
        steps += step
    recording = record([build("steps"), *steps])
    assert recording.code == 0, recording.stderr
    return recording


def test_every_call_is_a_row_with_its_result(recording: Recording) -> None:
    rets = [ret for *_, ret in READ.values()] + [ret for _, ret in UNREAD.values()]
    assert [int(line) for line in recording.stdout.split()] == rets
    assert [row["ret"] for row in stats(recording)] == rets


@pytest.mark.parametrize("name", READ)
def test_a_path_is_recorded_as_passed(recording: Recording, name: str) -> None:
    _, path, path_bytes, _ = READ[name]
    row = stats(recording)[list(READ).index(name)]
    assert (row["path"], row["path_bytes"], row["note"]) == (path, path_bytes, None)
    assert row["base"] is None


@pytest.mark.parametrize("name", UNREAD)
def test_a_path_that_cannot_be_read_is_null(recording: Recording, name: str) -> None:
    row = stats(recording)[len(READ) + list(UNREAD).index(name)]
    assert (row["path"], row["path_bytes"], row["note"]) == (None, None, UNREADABLE)


def test_null_is_known_where_a_call_can_do_without_a_path(record: Recorder, build: Build) -> None:
    """It asked for no file; a call that needs one was not understood."""
    recording = record([build("steps"), "null", "opennull"])
    stat = recording.one(syscall="newfstatat", path=None)
    opened = recording.one(syscall="openat")
    assert (stat["path"], stat["ret"], stat["note"]) == (None, EFAULT, None)
    assert (opened["path"], opened["ret"], opened["note"]) == (None, EFAULT, UNREADABLE)
    assert recording.session["defects"]["unreadable"] == 1


def test_bits_that_the_kernel_does_not_look_at(record: Recorder, build: Build) -> None:
    row = record([build("steps"), "fsconfig", "lower"]).one(syscall="fsconfig")
    assert (row["path"], row["flags"], row["ret"]) == ("lower", 3, EINVAL)


def test_a_path_that_the_call_wrote_over_is_null(record: Recorder, build: Build) -> None:
    steps = ["over", "/etc", "beside", "/etc", "linkover", "/proc/self/exe"]
    steps += ["handleover", "/etc/hostname", "partover", "/etc"]
    recording = record([build("steps"), *steps])
    length = len(build("steps"))
    assert [int(line) for line in recording.stdout.split()] == [0, 0, length, 0, EFAULT]
    over, beside, part = stats(recording)
    handle = recording.one(syscall="name_to_handle_at")
    assert (handle["path"], handle["ret"], handle["note"]) == (None, 0, UNREADABLE)
    assert (part["path"], part["ret"], part["note"]) == (None, EFAULT, UNREADABLE)
    *_, link = recording.where(syscall="readlinkat")  # on arm64 the C library makes one as well
    assert (over["path"], over["ret"], over["note"]) == (None, 0, UNREADABLE)
    assert (beside["path"], beside["ret"], beside["note"]) == ("/etc", 0, None)
    assert (link["path"], link["ret"], link["note"]) == (None, length, UNREADABLE)


def test_a_call_that_needs_no_path(record: Recorder, tmp_path: Path) -> None:
    """touch passes NULL with the descriptor of the file: nothing is missing."""
    recording = record(["touch", "file"], cwd=tmp_path)
    row = recording.one(syscall="utimensat")
    assert (row["path"], row["ret"], row["note"]) == (None, 0, None)
    assert recording.session["defects"]["unreadable"] == 0


# Sockets with paths: bound, connected to, missing, one whose address ends before the text does, and
# one whose address is longer than it may be;
# then addresses without one: abstract, given by the kernel, none at all, and of another family.
SOCKETS = """
import contextlib, ctypes, os, socket, struct

sockets = []

def unix():
    sockets.append(socket.socket(socket.AF_UNIX))
    return sockets[-1]

server = unix()
server.bind("server")
server.listen()
unix().connect(os.path.abspath("server"))
with contextlib.suppress(OSError):
    unix().connect("missing")
address = struct.pack("=H", socket.AF_UNIX) + b"cut-and-more"
libc = ctypes.CDLL(None)
assert libc.bind(unix().fileno(), address, 2 + len("cut")) == 0
assert os.path.exists("cut")
assert libc.connect(unix().fileno(), address.ljust(128, b"\\0"), 128) == -1
unix().bind(b"\\0abstract")
assert libc.bind(unix().fileno(), address, 2) == 0
assert libc.connect(unix().fileno(), None, 110) == -1
inet = socket.socket()
inet.bind(("127.0.0.1", 0))
with contextlib.suppress(OSError):
    socket.socket().connect(inet.getsockname())
"""


def test_sockets_that_have_a_path(record: Recorder, tmp_path: Path) -> None:
    recording = record([sys.executable, "-c", SOCKETS], cwd=tmp_path)
    assert recording.code == 0, recording.stderr
    rows = [row for row in recording.rows if row["syscall"] in ("bind", "connect")]
    assert [(row["syscall"], row["path"], row["base"], row["ret"]) for row in rows] == [
        ("bind", "server", str(tmp_path), 0),
        ("connect", f"{tmp_path}/server", None, 0),
        ("connect", "missing", str(tmp_path), ENOENT),
        ("bind", "cut", str(tmp_path), 0),
        ("connect", "cut-and-more", str(tmp_path), EINVAL),
    ]
    assert {(row["note"], row["flags"], row["dirfd"]) for row in rows} == {(None, None, None)}


def test_flags_that_cannot_be_read(record: Recorder, build: Build) -> None:
    recording = record([build("each"), "437:", "=-100", '"/how', "=8", "=24"])
    row = recording.one(path="/how", syscall="openat2")
    assert (row["ret"], row["flags"], row["note"]) == (EFAULT, None, None)


def test_unread_paths_are_counted_as_defects(recording: Recording) -> None:
    assert recording.session["defects"]["unreadable"] == len(UNREAD)
    assert recording.lost == 0


def test_the_command_is_kept_as_text(recording: Recording) -> None:
    command = recording.session["command"]
    assert READ["not UTF-8"][1] in command
    assert READ["newline"][1] in command


def test_what_an_open_led_to(record: Recorder, build: Build, tmp_path: Path) -> None:
    file, link = tmp_path / "file", tmp_path / "link"
    file.touch()
    link.symlink_to("file")
    recording = record([build("steps"), "open", link, "open", file, "open", link, "open", "/no"])
    first, second, third, failed = recording.where(syscall="openat")
    status = file.stat()
    for row in (first, second, third):
        assert (row["dev"], row["ino"]) == (status.st_dev, status.st_ino)
    assert [row["path"] for row in (first, second, third)] == [str(link), str(file), str(link)]
    assert (first["real_path"], third["real_path"]) == (str(file), None)  # at first sight only
    assert (failed["real_path"], failed["dev"], failed["ino"]) == (None, None, None)


def test_an_open_of_a_file_that_is_there_no_longer(record: Recorder, tmp_path: Path) -> None:
    script = """
import os
held = os.open("file", os.O_CREAT | os.O_RDWR)
os.unlink("file")
os.open(f"/proc/self/fd/{held}", os.O_RDONLY)
"""
    recording = record([sys.executable, "-c", script], cwd=tmp_path)
    first = recording.one(path="file", syscall="openat")
    again = next(row for row in recording.rows if (row["path"] or "").startswith("/proc/self/fd/"))
    assert (first["note"], first["real_path"]) == (None, f"{tmp_path}/file")
    assert (again["note"], again["dev"], again["ino"]) == (DELETED, first["dev"], first["ino"])


# Opens the same file where its name cannot be told, as another root has it, and through a link; and
# another one at its place, where it is mounted also, and through a link to there.
PLACES = """
import ctypes, os, sys

def opened(path, root=None, directory=None):
    if os.fork() == 0:
        if root:
            os.chroot(root)
        os.open(path, os.O_RDONLY, dir_fd=directory)
        os._exit(0)
    assert os.wait()[1] == 0

outside = os.open("jail", os.O_PATH)
opened("file", root="/usr", directory=outside)
opened("/file", root="jail")
opened("links/jail/file")
assert ctypes.CDLL(None).mount(b"real", b"mounted", None, 4096, None) == 0
opened("real/other")
opened("links/mounted/other")
opened("links/real/other")
"""


def test_what_a_file_is_called_from_elsewhere(record: Recorder, tmp_path: Path) -> None:
    for name in ("jail", "real", "mounted"):
        (tmp_path / name).mkdir()
    (tmp_path / "links").symlink_to(".")
    (tmp_path / "jail" / "file").touch()
    (tmp_path / "real" / "other").touch()
    command = ["unshare", "-m", "--propagation", "private", sys.executable, "-c", PLACES]
    recording = record(command, cwd=tmp_path)
    assert recording.code == 0, recording.stderr
    names = ("file", "/file", "links/jail/file", "real/other", "links/mounted/other")
    led = [recording.one(path=name)["real_path"] for name in names]
    where = [f"{tmp_path}/{name}" for name in ("jail/file", "real/other", "mounted/other")]
    assert led == [None, "/file", *where]
    assert recording.one(path="links/real/other")["real_path"] is None  # it is known


def test_who_made_the_call(record: Recorder, build: Build) -> None:
    recording = record(["setpriv", "--reuid", "65534", build("steps"), "stat", "/etc"])
    row = recording.one(path="/etc", syscall="newfstatat")
    assert (row["comm"], row["exe"], row["uid"]) == ("steps", build("steps"), 65534)
    assert row["pid"] == row["tid"]
    assert row["ppid"] != row["pid"]
