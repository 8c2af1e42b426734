# SPDX-License-Identifier: Apache-2.0
"""Verdicts: what was seen, what that needs, and what may be missing."""

import json
import shutil
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from snoop_analysis import Capture
from snoop_analysis.cli import cli
from snoop_analysis.closure import RULES
from snoop_analysis.closure.libraries import Libraries
from snoop_analysis.closure.policy import PRESETS, parse, preset
from snoop_analysis.closure.reasons import Need, Subject, Unknown
from snoop_analysis.errors import OptionError
from snoop_analysis.image import Image, Kind, open_image
from snoop_analysis.judging import Answer, judge
from tests.analysis.conftest import Event, write_session
from tests.capture.recording import Recorder
from tests.slim.images import as_archive, docker_save, entry, layer, link

Judge = Callable[..., Answer]
EXEC = {"syscall": "execve", "ret": 0}
STAT = {"syscall": "newfstatat", "ret": 0, "flags": 0}
LSTAT = STAT | {"flags": 256}


@pytest.fixture
def judged(image: Image, tmp_path: Path) -> Judge:
    """``judged(events, session={}, **settings)``: the answer about the image with everything."""

    def make(events: list[Event], session: dict[str, Any] | None = None, **settings: Any) -> Answer:
        path = write_session(tmp_path / "capture", events, **(session or {}))
        return judge(Capture(path), image, **settings)

    return make


def verdict(answer: Answer, path: str) -> str:
    return answer.judgement.verdict(path).value


SEEN: list[tuple[Event, str, str]] = [  # an event, a file, the verdict on it
    ({"path": "/app/m.py"}, "/app/m.py", "used"),
    ({"path": None, "path_bytes": b"/app/m.py"}, "/app/m.py", "used"),
    ({"path": "/current/m.py"}, "/app/m.py", "used"),
    ({"path": "/current/m.py"}, "/current", "needed by a used file"),
    ({"path": "m.py", "base": "/app"}, "/app/m.py", "used"),
    ({"path": "/../m.py", "base": "/app", "syscall": "openat2"}, "/app/m.py", "used"),
    ({"path": "../app/./m.py", "base": "/etc/ssl/.."}, "/app/m.py", "used"),
    ({"path": "/bin/../share/doc/x/readme"}, "/usr/share/doc/x/readme", "used"),
    ({"path": "/x", "real_path": "/app/m.py"}, "/app/m.py", "used"),
    ({"path": "x", "base": None, "real_path": "/app"} | {"syscall": "chdir"}, "/app", "used"),
    ({"path": "/proc/self/cwd/m.py"} | STAT, "/app/m.py", "needed by a used file"),
    ({"path": "/proc/7/task/8/root/app/m.py"} | STAT, "/app/m.py", "needed by a used file"),
    ({"path": "/dev/fd/5/m.py"} | STAT, "/app/m.py", "needed by a used file"),
    ({"path": "/dev/cfg"}, "/dev/cfg", "used"),  # no runtime mounted anything there
    ({"path": "/app"}, "/app", "used"),  # opened to be listed
    ({"path": "/app"}, "/app/m.py", "not observed"),
    ({"path": "/app", "syscall": "rmdir", "ret": -39}, "/app/m.py", "not observed"),  # ENOTEMPTY
    ({"path": "/app/m.py"} | STAT, "/app/m.py", "looked at only"),
    ({"path": "/bin/sh"} | STAT, "/usr/bin/dash", "looked at only"),
    ({"path": "/bin/sh"} | LSTAT, "/usr/bin/sh", "looked at only"),
    ({"path": "/bin/sh"} | LSTAT, "/usr/bin/dash", "needed by a used file"),
    ({"path": "/bin/sh", "syscall": "readlink"}, "/usr/bin/sh", "used"),
    ({"path": "/app/m.py", "ret": -13}, "/app/m.py", "looked at only"),  # EACCES
    ({"path": "/app/m.py/x", "ret": -20}, "/app/m.py", "looked at only"),  # ENOTDIR
    ({"path": "/app/m.py", "ret": -2}, "/app/m.py", "not observed"),  # removed while it ran
    ({"path": "/app/m.py", "ret": None, "note": "restarted"}, "/app/m.py", "used"),
    ({"path": "/app/m.py", "syscall": "io_uring:openat"}, "/app/m.py", "used"),
    ({"path": "/app/m.py", "syscall": "io_uring:statx"}, "/app/m.py", "looked at only"),
    ({"path": "/app/new.log"}, "/app", "needed by a used file"),  # made in there
    ({"path": "app", "path_role": "old", "syscall": "symlink"}, "/app", "not observed"),
    ({"path": "/app/m.py"}, "/usr/share/doc/x/readme", "not observed"),
]


@pytest.mark.parametrize(("event", "path", "wanted"), SEEN, ids=str)
def test_what_an_event_says_of_a_file(judged: Judge, event: Event, path: str, wanted: str) -> None:
    assert verdict(judged([event]), path) == wanted


OUT_OF: list[tuple[str, str, str]] = [  # a path out of a volume, a file of the image, its verdict
    ("/data/../app/m.py", "/app/m.py", "looked at only"),  # the image has no /data
    ("/data/in/../../app/m.py", "/app/m.py", "looked at only"),
    ("/data/./../app/m.py/x", "/app/m.py", "looked at only"),
    ("/usr/private/../../app/m.py", "/app/m.py", "looked at only"),
    ("/var/loop/vol/../app/m.py", "/app/m.py", "looked at only"),  # a link to /data
    ("/srv/vol/../../app/m.py", "/app/m.py", "looked at only"),  # the image has no /srv
    ("/dev/../current/m.py", "/app/m.py", "looked at only"),
    ("/made/../app/m.py", "/app/m.py", "looked at only"),  # made meanwhile
    ("/data/in/../m.py", "/app/m.py", "needed by a used file"),  # if /data/in is a link
    ("/made/../m.py", "/app/m.py", "needed by a used file"),
    ("/made/../m.py", "/app/other.py", "not observed"),
    ("/data/../app", "/app/m.py", "not observed"),
    ("/usr/private/../private/libfoo.so", "/usr/private/libfoo.so", "not observed"),
]


@pytest.mark.parametrize(("path", "file", "wanted"), OUT_OF)
def test_parents_lead_out_of_volumes(judged: Judge, path: str, file: str, wanted: str) -> None:
    mounts = [{"mount_point": one} for one in ("/data", "/usr/private", "/srv/vol")]
    session = {"containers": [{"cgroup_id": 1, "name": "app", "mounts": mounts}]}
    error = {"ret": -20} if path.endswith("/x") else {}
    assert verdict(judged([{"path": path} | STAT | error], session), file) == wanted


# A call with two paths, then a name to look at, and the file that it led to.
MADE: list[tuple[str, str, str, str]] = [
    ("symlink", "/app/m.py", "/srv/flag", "/srv/flag"),
    ("io_uring:symlinkat", "../app", "/srv/app", "/srv/./app/m.py"),
    ("symlink", "/app", "/bin/app", "/usr/bin/app/m.py"),  # the image has /bin -> usr/bin
    ("symlink", "/app", "/usr/bin/app", "/bin/app/m.py"),
    ("symlink", "/app", "/data/app", "/data/app/m.py"),  # on a volume
    ("mount", "/app", "/var", "/var/m.py"),
    ("move_mount", "/app", "/var", "/var/m.py"),
]


@pytest.mark.parametrize(("call", "old", "new", "seen"), MADE)
def test_through_what_a_program_made(
    judged: Judge, call: str, old: str, new: str, seen: str
) -> None:
    made = {"syscall": call, "ret": 0, "flags": 4096, "ts": datetime(2026, 1, 1, tzinfo=UTC)}
    paths = [made | {"path": old, "path_role": "old"}, made | {"path": new, "path_role": "new"}]
    containers = [{"cgroup_id": 1, "name": "app", "mounts": [{"mount_point": "/data"}]}]
    answer = judged([{"path": seen} | STAT, *paths], {"containers": containers})
    assert verdict(answer, "/app/m.py") == "looked at only"
    assert verdict(answer, "/app/other.py") == "not observed"


def test_what_was_there_before_something_was_mounted(judged: Judge) -> None:
    mounted = {"path": "/app", "syscall": "mount", "path_role": "new", "ret": 0, "flags": 0}
    containers = [{"cgroup_id": 1, "name": "app", "mounts": [{"mount_point": "/app"}]}]
    answer = judged([{"path": "/app/m.py"}, mounted], {"containers": containers})
    assert verdict(answer, "/app/m.py") == "used"


def test_what_an_earlier_row_says_that_a_file_is_called(judged: Judge) -> None:
    """It is not among the events that are asked about, and the later ones have numbers alone."""
    numbers = {"dev": 8, "ino": 77}
    first, later = (datetime(2026, 1, 1, 0, 0, second, tzinfo=UTC) for second in (0, 9))
    named = {"path": "/srv/link", "real_path": "/app/m.py", "ts": first}
    events = [named | numbers, {"path": "/srv/link", "ts": later} | numbers]
    answer = judged(events, since=later)
    assert verdict(answer, "/app/m.py") == "used"


@pytest.mark.parametrize(
    ("call", "new"), [("rename", "/srv/new"), ("symlink", "/srv/new"), ("mount", "/var/empty")]
)
@pytest.mark.parametrize("at", ["first", "last"])  # the order of rows tells nothing
def test_behind_a_name_that_was_made_while_recorded(
    judged: Judge, call: str, new: str, at: str
) -> None:
    made = {"path": new, "syscall": call, "path_role": "new", "ret": 0}
    events = [made, {"path": f"{new}/./m.py"} | STAT]
    answer = judged(events if at == "first" else events[::-1])
    assert verdict(answer, "/app/m.py") == "needed by a used file"
    assert verdict(answer, "/app/other.py") == "not observed"


def test_the_verdict_on_a_name_that_links_lead_to(judged: Judge) -> None:
    answer = judged([{"path": "/bin/prog"} | EXEC])
    for name in ("/bin/prog", "usr/bin/prog", "/usr/bin/../bin/prog", "/usr/bin/prog"):
        assert verdict(answer, name) == "used"
    with pytest.raises(OptionError, match="'/bin/none' is not in the image"):
        verdict(answer, "/bin/none")


def test_calls_are_counted_once_whatever_they_are_known_by(judged: Judge) -> None:
    events = [{"path": "/current/m.py", "real_path": "/app/m.py"}, {"path": "/app/m.py"} | STAT]
    use = judged(events).judgement.observed.files["/app/m.py"]
    assert (use.uses, use.looks, use.names) == (1, 1, {"/current/m.py"})


def test_below_a_changed_root(judged: Judge) -> None:
    events = [{"path": "/var/jail", "syscall": "chroot", "ret": 0}, {"path": "/data"}]
    assert verdict(judged(events), "/var/jail/data") == "used"


CHDIR: Event = {"syscall": "chdir", "ret": 0}
PIVOT: Event = {"path": ".", "real_path": "/", "path_role": "new", "syscall": "pivot_root"}
PIVOT |= {"ret": 0, "pid": 20, "ppid": 10}
MOUNT: Event = {"syscall": "mount", "path_role": "new", "flags": 4096, "ret": 0, "pid": 30}
PRIVATE: Event = MOUNT | {"path": "/", "flags": 1 << 18 | 1 << 14}
MOVED_ROOT: list[list[Event]] = [  # what has made /var/jail the root
    [PIVOT | {"path": "/var/jail"}],
    [PIVOT | {"path": "/var/jail", "ret": None, "note": "restarted"}],
    [MOUNT | {"path": "/var/jail"}, PIVOT],
    [MOUNT | {"path": "jail", "base": "/var"}, PIVOT],
    [MOUNT | {"path": "/var/jail", "path_role": "old"}, MOUNT | {"path": "/new"}, PIVOT],
    [MOUNT | {"path": "/var/jail", "syscall": "move_mount", "flags": 4}, PIVOT],
    [MOUNT | {"path": "/var/jail", "syscall": "open_tree", "path_role": None}, PIVOT],
    [CHDIR | {"path": "/var/jail", "pid": 20}, PIVOT],
    [CHDIR | {"path": "jail", "real_path": "/var/jail", "pid": 10}, PIVOT],  # by its parent
    [CHDIR | {"path": "/var/jail", "pid": None}, PIVOT],
    [CHDIR | {"path": "/var/jail"}, MOUNT | {"path": "/", "flags": 1 << 13, "pid": 10}],
    [MOUNT | {"path": "/var/jail"}, MOUNT | {"path": "/", "syscall": "move_mount"}],
    [PIVOT | {"comm": "runc:[2:INIT]"}, MOUNT | {"path": "/var/jail"}, PIVOT],
    [PIVOT | {"comm": "crun"}, PIVOT | {"comm": "crun", "path": "/var/jail"}],  # one inside
]
ROOT_STAYED: list[list[Event]] = [
    [MOUNT | {"path": "/var/jail"}],
    [MOUNT | {"path": "/var/jail"}, PIVOT | {"ret": -22}],
    [MOUNT | {"path": "/var/jail"}, PRIVATE],
    [MOUNT | {"path": "/var/jail"}, PIVOT | {"comm": "runc:[2:INIT]"}],
    [MOUNT | {"path": "/var/jail"}, PIVOT | {"comm": None, "exe": "/usr/bin/crun"}],
    [MOUNT | {"path": "/var/jail"}, PIVOT, PIVOT | {"comm": "crun"}],  # a hook of the runtime's
]
ROOT_UNKNOWN: list[list[Event]] = [
    [PIVOT],
    [PIVOT | {"path": "/new"}],
    [PIVOT | {"path": None, "note": "unreadable"}],
    [CHDIR | {"path": "/var/jail", "pid": 40}, PIVOT],  # by another process
    [MOUNT | {"path": "/dev"}, PIVOT],
    [MOUNT | {"path": "/var/jail"}, PIVOT | {"comm": "crun"}, PIVOT],  # as the runtime needed it
    [MOUNT | {"path": "/", "flags": 1 << 13}],
]
JAILED: Event = {"path": "/data"}
NOT_KNOWN = "app: another directory became its root, and which one is not known"


@pytest.mark.parametrize("events", MOVED_ROOT, ids=str)
def test_below_a_moved_root(judged: Judge, events: list[Event]) -> None:
    answer = judged([*events, JAILED])
    assert verdict(answer, "/var/jail/data") == "used"
    assert NOT_KNOWN not in "\n".join(answer.heading())


def test_what_is_mounted_at_a_moved_root_is_the_root_itself(judged: Judge) -> None:
    mounts = [{"mount_point": "/var/jail"}]
    session = {"containers": [{"cgroup_id": 1, "name": "app", "mounts": mounts}]}
    answer = judged([MOUNT | {"path": "/var/jail"}, PIVOT, JAILED], session)
    assert verdict(answer, "/var/jail/data") == "used"


@pytest.mark.parametrize("events", ROOT_STAYED, ids=str)
def test_what_moves_no_root_of_a_container(judged: Judge, events: list[Event]) -> None:
    answer = judged([*events, JAILED])
    assert verdict(answer, "/var/jail/data") == "not observed"
    assert NOT_KNOWN not in "\n".join(answer.heading())


@pytest.mark.parametrize("events", ROOT_UNKNOWN, ids=str)
def test_a_root_that_nobody_knows_is_a_doubt(judged: Judge, events: list[Event]) -> None:
    answer = judged([*events, JAILED])
    assert verdict(answer, "/var/jail/data") == "not observed"
    assert any(one.startswith(NOT_KNOWN) for one in answer.standing.doubts)


@pytest.mark.bpf
@pytest.mark.parametrize(
    "move",
    [
        "busybox pivot_root . old; exec /bin/busybox cat /secret",
        "busybox mount -o move . /; exec busybox chroot . /bin/busybox cat /secret",
    ],
)
def test_a_root_that_was_really_moved(tmp_path: Path, move: str) -> None:
    root = tmp_path / "root"
    for one in (root, root / "srv/jail"):
        (one / "bin").mkdir(parents=True)
        shutil.copy("/bin/busybox", one / "bin")
    (root / "srv/jail/old").mkdir()
    (root / "srv/jail/secret").write_text("inside")
    outer = 'mount --bind "$1" "$1" && exec chroot "$1" /bin/busybox sh -c "$2"'
    inner = f"busybox mount -o bind /srv/jail /srv/jail; cd /srv/jail; {move}"
    recording = Recorder(tmp_path)(["unshare", "-m", "sh", "-c", outer, "sh", root, inner])
    assert recording.stdout == b"inside", recording.stderr
    answer = judge(Capture(recording.capture), open_image(root))
    assert verdict(answer, "/srv/jail/secret") == "used"
    assert verdict(answer, "/srv/jail/bin/busybox") == "used"


BY_LINK: list[tuple[Event, str, str]] = [  # a relative chdir, a link, its verdict
    ({"path": "current", "real_path": "/app"}, "/current", "needed by a used file"),
    ({"path": "../current/.", "real_path": "/app"}, "/current", "needed by a used file"),
    ({"path": "x/../bin/", "real_path": "/usr/bin"}, "/bin", "needed by a used file"),
    ({"path": "current/../app", "real_path": "/app"}, "/current", "needed by a used file"),
    ({"path": "loop/vol/in", "real_path": "/data/in"}, "/var/loop/vol", "needed by a used file"),
    ({"path": "loop/vol/../app", "real_path": "/app"}, "/var/loop/vol", "needed by a used file"),
    ({"path": "loop/vol/a/../b", "real_path": "/app"}, "/var/loop/vol", "needed by a used file"),
    (
        {"path": "odd/x", "real_path": "?", "real_path_bytes": b"/var/\xff"},
        "/odd/x",
        "needed by a used file",
    ),
    ({"path": "current", "real_path": "/etc"}, "/current", "not observed"),  # another one
    ({"path": "usr/current", "real_path": "/app"}, "/current", "not observed"),  # elsewhere
    ({"path": "app", "real_path": "/app"}, "/current", "not observed"),
]


def test_a_link_to_a_volume_below_a_changed_root(judged: Judge) -> None:
    mounts = [{"mount_point": "/var/jail/vol"}]
    session = {"containers": [{"cgroup_id": 1, "name": "app", "mounts": mounts}]}
    moves: list[Event] = [
        {"path": "/var/jail", "syscall": "chroot", "ret": 0},
        {"path": "link", "real_path": "/vol/in"} | CHDIR,
    ]
    answer = judged(moves, session)
    assert verdict(answer, "/var/jail/link") == "needed by a used file"
    answer = judged([moves[0], {"path": "/vol/../data"} | STAT], session)
    assert verdict(answer, "/var/jail/data") == "looked at only"


@pytest.mark.parametrize(("event", "link", "wanted"), BY_LINK, ids=str)
def test_which_link_a_relative_chdir_may_have_taken(
    judged: Judge, event: Event, link: str, wanted: str
) -> None:
    mounts = [{"mount_point": "/data"}]
    session = {"containers": [{"cgroup_id": 1, "name": "app", "mounts": mounts}]}
    assert verdict(judged([event | CHDIR], session), link) == wanted


CLOSURE: list[tuple[str, Event, str, str]] = [  # rules, an event, what it needs, whose need
    ("link", {"path": "/bin/prog"}, "/bin", "/usr/bin/prog"),
    ("link", {"path": "/etc/localtime"} | LSTAT, "/usr/share/zoneinfo/UTC", "/etc/localtime"),
    ("parent", {"path": "/app/m.py"}, "/app", "/app/m.py"),
    ("script", {"path": "/app/run"} | EXEC, "/app/outer", "/app/run"),
    ("script", {"path": "/app/run"} | EXEC, "/usr/bin/dash", "/app/outer"),
    (
        "interpreter library",
        {"path": "/bin/prog"} | EXEC,
        "/lib64/ld-linux-x86-64.so.2",
        "/usr/bin/prog",
    ),
    ("library", {"path": "/bin/prog"}, "/usr/private/libfoo.so", "/usr/bin/prog"),
    ("library", {"path": "/bin/prog"}, "/opt/lib/libbar.so", "/usr/private/libfoo.so"),
    ("library", {"path": "/bin/prog"}, "/usr/lib/x86_64-linux-gnu/libc.so.6", "/usr/bin/prog"),
    (
        "library",
        {"path": "/bin/prog"},
        "/usr/lib/x86_64-linux-gnu/glibc-hwcaps/x86-64-v3/libc.so.6",
        "/usr/bin/prog",
    ),
    ("set", {"path": "/etc/ld.so.cache"}, "/etc/ld.so.conf.d/app.conf", "/etc/ld.so.cache"),
    ("set", {"path": "/etc/ssl/certs/one.pem"}, "/etc/ssl/certs/two.pem", "/etc/ssl/certs/one.pem"),
    (
        "set",
        {"path": "/etc/ssl/certs/one.pem"},
        "/usr/share/pem/three.pem",
        "/etc/ssl/certs/one.pem",
    ),
    (
        "set",
        {"path": "/etc/localtime"},
        "/usr/share/zoneinfo/Europe/Rome",
        "/usr/share/zoneinfo/UTC",
    ),
    (
        "set",
        {"path": "/usr/lib/locale/C.utf8/LC_CTYPE"},
        "/usr/lib/locale/C.utf8/LC_TIME",
        "/usr/lib/locale/C.utf8/LC_CTYPE",
    ),
    (
        "set",
        {"path": "/etc/nsswitch.conf"},
        "/usr/lib/x86_64-linux-gnu/libnss_x.so.2",
        "/etc/nsswitch.conf",
    ),
    (
        "set",
        {"path": "/usr/lib/x86_64-linux-gnu/libc.so.6"},
        "/usr/lib/x86_64-linux-gnu/libgcc_s.so.1",
        "/usr/lib/x86_64-linux-gnu/libc.so.6",
    ),
    ("set", {"path": "/var/db/PG_VERSION"}, "/var/db/base/5/1247", "/var/db/PG_VERSION"),
    ("bytecode", {"path": "/app/__pycache__/m.cpython-311.pyc"}, "/app/m.py", "/app/__pycache__/m"),
    ("bytecode", {"path": "/app/m.py"}, "/app/__pycache__/m.cpython-311.pyc", "/app/m.py"),
    ("runtime", {"path": "/app/m.py"}, "/etc/passwd", ""),
    ("runtime", {"path": "/app/m.py"}, "/tmp", ""),
    ("nameless", {"path": "m.py"}, "/app/m.py", ""),
    ("nameless", {"path": ".././app//m.py"}, "/app/m.py", ""),
    ("nameless", {"path": "m.py", "real_path": ""}, "/app/m.py", ""),
]


@pytest.mark.parametrize(("rule", "event", "path", "cause"), CLOSURE, ids=str)
def test_what_a_file_needs(judged: Judge, rule: str, event: Event, path: str, cause: str) -> None:
    answer = judged([event])
    assert verdict(answer, path) == "needed by a used file"
    assert path in answer.judgement.kept
    assert cause in "\n".join(answer.judgement.why(path))
    without = judged([event], without_rules=rule.split())
    assert verdict(without, path) == "not observed"
    assert path not in without.judgement.kept


@pytest.mark.skipif(shutil.which("musl-gcc") is None, reason="there is no musl-gcc")
def test_what_a_program_of_musl_needs(tmp_path: Path) -> None:
    subprocess.run(
        ["musl-gcc", "-xc", "-", "-o", tmp_path / "prog"],
        input="int main(void) { return 0; }",
        text=True,
        check=True,
    )
    libc = Path("/lib/ld-musl-x86_64.so.1").read_bytes()
    files = {
        "bin/prog": (tmp_path / "prog").read_bytes(),
        "lib/ld-musl-x86_64.so.1": libc,
        "opt/musl/libc.so": libc,
        "usr/lib/libc.so": libc,
        "etc/ld-musl-x86_64.path": b"/none\n/opt/musl\n",
    }
    path = tmp_path / "image.tar"
    path.write_bytes(layer([entry(name, content) for name, content in files.items()]))
    capture = write_session(tmp_path / "capture", [{"path": "/bin/prog"} | EXEC])
    kept = judge(Capture(capture), open_image(path)).judgement.kept
    assert {"/lib/ld-musl-x86_64.so.1", "/opt/musl/libc.so"} <= set(kept)
    assert "/usr/lib/libc.so" not in kept


def test_every_rule_is_tested() -> None:
    assert {rule.split()[0] for rule, *_ in CLOSURE} == set(RULES)


def test_a_set_is_said_once(judged: Judge) -> None:
    """Whatever else of it is kept, and is in other directories."""
    said = list(
        judged([{"path": "/etc/localtime"}]).judgement.why("/usr/share/zoneinfo/Europe/Rome")
    )
    assert said == [
        "/usr/share/zoneinfo/Europe/Rome: needed by a used file",
        "  time zones: belongs to /usr/share/zoneinfo/UTC",
        "    used: 1 call (openat), by app, as /etc/localtime",
    ]


def test_what_is_not_needed(judged: Judge) -> None:
    events = [{"path": "/bin/prog"} | EXEC, {"path": "/app/opened"}, {"path": "/app/run"} | EXEC]
    answer = judged(events)
    for path in ("/usr/bin/never", "/lib/libbar.so", "/app/other.py", "/usr/lib/locale/de/LC_TIME"):
        assert verdict(answer, path) == "not observed"


def test_why_names_every_step(judged: Judge) -> None:
    answer = judged([{"path": "/bin/prog", "exe": "/usr/bin/dash"} | EXEC])
    said = list(answer.judgement.why("/opt/lib/libbar.so"))
    assert said == [
        "/opt/lib/libbar.so: needed by a used file",
        "  libbar.so, DT_NEEDED of /usr/private/libfoo.so",
        "    libfoo.so, DT_NEEDED of /usr/bin/prog",
        "      used: 1 call (execve), by /usr/bin/dash, as /bin/prog",
    ]
    assert "inferred" in list(answer.judgement.why("/lib64/ld-linux-x86-64.so.2"))[1]
    assert list(answer.judgement.why("/nowhere")) == ["/nowhere: not in the image"]
    assert list(answer.judgement.why("/usr/bin/never")) == ["/usr/bin/never: not observed"]


APP = {"cgroup_id": 1, "name": "app"}
DOUBTS: list[tuple[Event, dict[str, Any], str]] = [
    (
        {},
        {"losses": {"ring_full": 1024}},
        "1,024 events were lost while recording: ring_full 1,024",
    ),
    (
        {"path": "/app", "syscall": "rename", "path_role": "old", "ret": 0},
        {},
        "/app was renamed or replaced while it was recorded",
    ),
    (
        {"path": "/current", "syscall": "io_uring:symlinkat", "path_role": "new", "ret": 0},
        {},
        "/current was renamed or replaced while it was recorded",
    ),
    ({"path": "/app/m.py", "syscall": "rename", "path_role": "old", "ret": 0}, {}, ""),
    ({"path": "/app", "syscall": "rename", "path_role": "old", "ret": -13}, {}, ""),
    ({"path": "m.py"}, {}, "1 relative paths have no known directory"),
    ({"path": "m.py", "real_path": ""}, {}, "1 relative paths have no known directory"),
    ({"path": None}, {}, "1 paths could not be read"),
    ({"exe": "/usr/bin/prog"}, {}, "/usr/bin/prog was running before recording began"),
    (
        {},
        {"containers": [{"cgroup_id": 1, "name": "web", "running": 2}]},
        "web was running before recording began",
    ),
    ({}, {"containers": [APP, {"cgroup_id": 9, "name": "pause", "running": 1}]}, ""),
    ({"path": "/data/tool"} | EXEC, {}, "/data/tool was executed and is not in the image"),
    ({"cgroup_id": 9}, {}, "no event of these containers was recorded"),
    (
        {},
        {"io_uring": {"recorded": False, "rings": 2}},
        "2 io_uring instances were made, and calls through them were not recorded",
    ),
    ({}, {"io_uring": {"recorded": False, "rings": 0}}, ""),
    ({}, {"io_uring": {"recorded": True, "rings": 2}}, ""),
    ({"path": "/app/run", "ret": -2}, {"containers": None}, ""),
    ({"exe": "/usr/bin/runc", "comm": "runc:[2:INIT]"}, {}, ""),
]


@pytest.mark.parametrize(("event", "session", "said"), DOUBTS, ids=str)
def test_doubts_come_first(
    everything: Path, tmp_path: Path, event: Event, session: dict[str, Any], said: str
) -> None:
    path = write_session(tmp_path / "capture", [{"path": "/app/m.py"} | event], **session)
    done = run("unused", path, "--image", everything, "--strict")
    lines = done.stdout.splitlines()
    if not said:
        assert done.exit_code == 0
        assert lines[0].startswith("1 capture on 1 host")
        return
    assert done.exit_code == 3
    assert lines[0] == "! UNCERTAIN: a file that was not observed may have been used all the same"
    assert said in "\n".join(lines)
    assert "unused" not in done.stdout


RUNNING: list[tuple[list[Event], bool]] = [  # events of /usr/bin/prog, whether it ran before
    ([{"path": "/bin/prog"} | EXEC, {}], False),
    ([{}, {"path": "/bin/prog"} | EXEC, {}], True),  # another one is started later
    ([{"path": "/bin/prog", "syscall": "execve", "ret": -13}, {}], True),
    ([{"path": "/bin/prog", "syscall": "execve", "ret": None, "note": "restarted"}, {}], False),
    ([{"path": "/bin/prog", "pid": 20} | EXEC, {}], True),  # a silent one beside it
    ([{"path": "/bin/prog", "pid": 20} | EXEC, {"ppid": 20}], False),
    ([{"path": "/bin/prog", "pid": 20} | EXEC, {"ppid": 20, "pid": 30}, {"ppid": 30}], False),
    ([{"path": "/bin/prog", "pid": 20} | EXEC, {"ppid": 20}, {"ppid": 1}], False),  # an orphan
    ([{"ppid": 20}, {"path": "/bin/prog", "pid": 20} | EXEC], True),  # by what it was before
    ([{"path": "/bin/prog", "pid": None} | EXEC, {"pid": None}], False),
    ([{"path": "/bin/prog", "pid": None} | EXEC, {}], False),
    ([{"pid": None}, {"path": "/bin/prog", "pid": None} | EXEC], True),
    ([{"pid": 20, "ppid": 10}, {"ppid": 20}], True),  # no end of parents
]


@pytest.mark.parametrize(("events", "ran_before"), RUNNING)
def test_a_program_that_ran_before_is_told_from_one_that_was_started(
    judged: Judge, events: list[Event], ran_before: bool
) -> None:
    answer = judged([{"path": "/app/m.py", "exe": "/usr/bin/prog"} | one for one in events])
    said = "\n".join(answer.heading())
    assert ("/usr/bin/prog was running before recording began" in said) == ran_before
    assert answer.standing.complete == (not ran_before)


def test_what_a_recorded_command_left_to_others_was_started(judged: Judge) -> None:
    event = {"path": "/app/m.py", "exe": "/usr/bin/prog", "ppid": 1}
    assert judged([event], {"command": ["prog"]}).standing.complete


def test_what_it_did_between_two_recordings_is_not_known(everything: Path, tmp_path: Path) -> None:
    start = [{"path": "/bin/prog", "exe": "/usr/bin/prog"} | EXEC]
    write_session(tmp_path / "capture/one", start)
    write_session(tmp_path / "capture/two", [{"path": "/app/m.py", "exe": "/usr/bin/prog"}])
    done = run("unused", tmp_path / "capture", "--image", everything, "--strict")
    assert done.exit_code == 3
    assert "! /usr/bin/prog was running before recording began" in done.stdout


def test_what_is_not_known_of_a_capture_is_said(everything: Path, tmp_path: Path) -> None:
    mounts = [{"mount_point": "/"}]
    containers = [{"cgroup_id": 1, "name": "web"}, {"cgroup_id": 2, "name": "db", "mounts": mounts}]
    path = write_session(tmp_path / "c", [{}], containers=containers, ended_at=None, session_id="s")
    said = run("unused", path, "--image", everything).stdout
    assert (
        "files on volumes may count as the image's: what was mounted is not known of web\n" in said
    )


def test_a_container_without_events_raises_no_doubt(tmp_path: Path) -> None:
    """As the cgroup of a pod: nothing runs in it but the containers below."""
    base = layer([entry("a", b"a")])
    image = open_image(as_archive(docker_save([base]), tmp_path / "image.tar"))
    web = {"name": "web", "image_digest": image.digests[0], "mounts": [{"mount_point": "/"}]}
    containers = [{"cgroup_id": 1} | web, {"cgroup_id": 2, "name": "pod"}]
    path = write_session(tmp_path / "pod", [{"path": "/a"}], containers=containers)
    assert judge(Capture(path), image).notes == ()
    busy: list[Event] = [{"path": "/a"}, {"path": "/a", "cgroup_id": 2}]
    path = write_session(tmp_path / "busy", busy, containers=containers)
    assert judge(Capture(path), image).notes == (
        "containers that may have run another image count too: pod",
        "files on volumes may count as the image's: what was mounted is not known of pod",
    )


@pytest.mark.parametrize(
    ("times", "doubt"),
    [
        ({"ended_at": None}, "still being recorded, or the recorder was killed"),
        ({"recovered_at": "2026-01-02T00:00:00Z"}, "the recorder was killed"),
        ({"left_running": 2}, "2 processes of the command were left running when recording ended"),
        ({"moved_out": 2}, "2 processes were moved out of what is recorded, into another cgroup"),
    ],
)
def test_a_session_without_its_end_is_a_doubt(
    everything: Path, tmp_path: Path, times: dict[str, Any], doubt: str
) -> None:
    path = write_session(tmp_path / "s", [{"path": "/bin/prog"} | EXEC], **times)
    done = run("unused", path, "--image", everything, "--strict")
    assert done.exit_code == 3
    assert done.stdout.startswith("! UNCERTAIN")
    assert done.stdout.splitlines()[1].startswith(f"! {doubt}: ")


def test_events_without_a_time_are_used_and_a_doubt(everything: Path, tmp_path: Path) -> None:
    path = write_session(tmp_path / "s", [{"path": "/app/m.py", "ts": None}])
    arguments = ("unused", path, "--image", everything, "--strict", "--json")
    assert run(*arguments).exit_code == 0
    done = run(*arguments, "--since", "2026-01-01T00:00:00Z")
    said = json.loads(done.stdout)
    used = {row["verdict"]: row["files"] for row in said["verdicts"]}
    assert (done.exit_code, said["complete"], used["used"]) == (3, False, 1)
    assert said["doubts"] == [
        "1 event counted without a time, or of which only a summary is left: "
        "some may be outside of the time asked for"
    ]


def test_files_of_no_package_are_called_so(everything: Path, tmp_path: Path) -> None:
    """For people; for programs there is no value."""
    words = ("unused", write_session(tmp_path / "s", [{}]), "--image", everything, "--by")
    assert "  (no package)  " in run(*words, "package").stdout
    assert {row["package"] for row in json.loads(run(*words, "package", "--json").stdout)} == {None}
    assert "(no package)" not in run(*words, "file").stdout


def test_json_has_the_doubts_too(everything: Path, tmp_path: Path) -> None:
    path = write_session(tmp_path / "capture", [{"path": "/app/m.py"}], losses={"busy": 7})
    said = json.loads(run("unused", path, "--image", everything, "--json").stdout)
    assert (said["complete"], said["lost"], said["captures"]) == (False, 7, 1)
    assert said["doubts"] == ["7 events were lost while recording: busy 7"]
    used = {row["verdict"]: row["files"] for row in said["verdicts"]}
    assert used["used"] == 1


def test_removed_and_missing_segments_are_gaps(everything: Path, tmp_path: Path) -> None:
    path = write_session(tmp_path / "capture", [{"path": f"/{n}"} for n in range(9)], 3)
    (path / "events-00000001.parquet").unlink()
    done = run("unused", path, "--image", everything, "--strict")
    assert done.exit_code == 3
    assert "! retention removed the beginning of capture" in done.stdout
    assert "1 retention gaps" in done.stdout


def run(*arguments: object) -> Result:
    return CliRunner().invoke(cli, [str(one) for one in arguments])


def test_volumes_are_told_apart(judged: Judge) -> None:
    mounts = [{"mount_point": "/"}, {"mount_point": "/app"}, {"mount_point": "/data"}]
    containers = [{"cgroup_id": 1, "name": "app", "mounts": mounts}]
    events = [{"path": one} for one in ("/app/m.py", "/data/x", "/opt/new", "/data/../opt/b")]
    answer = judged(events, {"containers": containers})
    assert verdict(answer, "/app/m.py") == "not observed"
    assert "/app" in answer.judgement.kept
    places = {one.path: one.place for one in answer.judgement.observed.outside.values()}
    assert places == {
        "/app/m.py": "mounted at /app",
        "/data/x": "mounted at /data",
        "/opt/new": "not in the image",
        "/data/../opt/b": "not in the image",
    }


@pytest.mark.parametrize(
    ("root", "wanted"),
    [
        ("/var/lib/docker/volumes/app/_data", "used"),
        ("/storage/volumes/8e2f/_data", "used"),
        ("/var/lib/nerdctl/1935db59/volumes/default/app/_data", "used"),
        ("/srv/volumes/app", "not observed"),
        ("/srv/volumes/app/_data/below", "not observed"),
        (None, "not observed"),
    ],
)
def test_volumes_that_a_runtime_fills_have_files_of_the_image(
    judged: Judge, root: str | None, wanted: str
) -> None:
    mounts = [{"mount_point": "/app", "root": root}]
    session = {"containers": [{"cgroup_id": 1, "name": "app", "mounts": mounts}]}
    answer = judged([{"path": "/current/m.py"}, {"path": "/app/new"}], session)
    assert verdict(answer, "/app/m.py") == wanted
    assert verdict(answer, "/app/other.py") == "not observed"
    assert set(answer.judgement.observed.outside) == {"/current/m.py", "/app/new"}


def test_what_an_image_has_in_its_volumes_is_copied(tmp_path: Path) -> None:
    items = [entry("data/in/x", b""), link("data/y", "../etc/y"), entry("etc/y", b"")]
    saved = docker_save([layer([*items, entry("etc/z", b"")])], Volumes={"/data": {}})
    image = open_image(as_archive(saved, tmp_path / "image.tar"))
    capture = Capture(write_session(tmp_path / "capture", []))
    answer = judge(capture, image)
    assert {"/data/in/x", "/data/y", "/etc/y"} <= set(answer.judgement.kept)
    assert "/etc/z" not in answer.judgement.kept
    assert list(answer.judgement.why("/data/in/x")) == [
        "/data/in/x: needed by a used file",
        "  copied by container runtimes into a volume of the configuration",
    ]


def session_of(path: Path, digest: str | None, file: str) -> Path:
    container = {"cgroup_id": 1, "name": path.name, "image_digest": digest}
    return write_session(path, [{"path": file}], containers=[container], host=path.name)


def test_captures_of_an_image_count_together_and_others_are_refused(tmp_path: Path) -> None:
    base = layer([entry("a", b"a"), entry("b", b"b"), entry("c", b"c")])
    image = open_image(as_archive(docker_save([base]), tmp_path / "image.tar"))
    (own,) = image.digests
    first = session_of(tmp_path / "one", f"registry/app@{own}", "/a")
    second = session_of(tmp_path / "two", own, "/b")
    answer = judge(Capture(first, second), image)
    assert [verdict(answer, f"/{name}") for name in "abc"] == ["used", "used", "not observed"]
    assert (answer.standing.captures, answer.standing.hosts) == (2, 2)

    other = session_of(tmp_path / "three", f"sha256:{'0' * 64}", "/c")
    with pytest.raises(OptionError, match="three is of another image"):
        judge(Capture(first, other), image)
    pause = {"cgroup_id": 2, "name": "pause"}
    known = {"cgroup_id": 1, "name": "app", "image_digest": f"sha256:{'0' * 64}"}
    pod = write_session(tmp_path / "pod", [{"path": "/a"}], containers=[known, pause])
    with pytest.raises(OptionError, match="pod is of another image"):
        judge(Capture(pod), image)
    forced = judge(Capture(first, other), image, force=True)
    assert verdict(forced, "/c") == "used"
    assert "as forced" in forced.notes[0]

    unknown = session_of(tmp_path / "four", None, "/b")
    answer = judge(Capture(first, unknown), image)
    assert verdict(answer, "/b") == "used"
    assert "may have run another image" in answer.notes[0]


@pytest.mark.parametrize(
    ("said", "note"),
    [
        ({}, "the recording does not say which image the containers ran"),
        (
            {"image": "web:1"},
            "the recording names the image of the containers (web:1), but no digest to compare: "
            "record with --image web:1@sha256:… (docker image inspect shows it as Id)",
        ),
    ],
)
@pytest.mark.parametrize("force", [False, True])
def test_a_recording_without_the_digest_of_its_image(
    judged: Judge, said: dict[str, str], note: str, force: bool
) -> None:
    session = {"containers": [{"cgroup_id": 1, "name": "web"} | said]}
    assert judged([{"path": "/app/m.py"}], session, force=force).notes[0] == note


def test_policies(judged: Judge) -> None:
    policy = parse(
        "keep: ['/usr/share/doc/**']\n"
        "drop: ['/app/*.py', '/usr/share/**']\n"
        "sets: {pair: {when: [/app/outer], keep: ['{directory}/opened']}}\n",
        "policy.yaml",
    )
    events = [{"path": "/app/outer"}, {"path": "/app/m.py"}]
    answer = judged(events, policy=policy)
    kept = answer.judgement.kept
    assert "/usr/share/doc/x/readme" in kept
    assert verdict(answer, "/usr/share/doc/x/readme") == "not observed"
    assert list(answer.judgement.why("/usr/share/doc/x/readme"))[1] == "  kept by policy"
    assert "/app/m.py" not in kept
    assert "used or needed, and dropped by the policy: 1" in answer.notes
    assert verdict(answer, "/app/opened") == "needed by a used file"


def test_a_policy_of_many_patterns(judged: Judge) -> None:
    patterns = [*(f"/none/{number}" for number in range(1_000)), "/app/{m,other}.py"]
    kept = judged([], policy=parse(f"keep: {patterns}", "policy.yaml")).judgement.kept
    assert {"/app/m.py", "/app/other.py"} <= set(kept)


@pytest.mark.parametrize(
    ("text", "kept", "link"),  # a policy, what it keeps, the link by which it says so
    [
        ("keep: [/bin/never]", "/usr/bin/never", "/bin"),
        ("keep: ['/current/othe?.py']", "/app/other.py", "/current"),
        ("keep: ['/current/**']", "/app/__pycache__/m.cpython-311.pyc", "/current"),
        ("keep: ['/{bin,opt}/n*']", "/usr/bin/never", "/bin"),
        ("keep: [/var/../bin/never]", "/usr/bin/never", "/bin"),
        ("sets: {x: {when: ['/current/*'], keep: [/bin/never]}}", "/usr/bin/never", "/bin"),
    ],
)
def test_a_policy_names_files_by_links(judged: Judge, text: str, kept: str, link: str) -> None:
    events = [{"path": "/app/outer"}, {"path": "/bin/prog"}]
    assert kept not in judged(events).judgement.kept
    answer = judged(events, policy=parse(text, "policy.yaml"))
    assert {kept, link} <= set(answer.judgement.kept)
    assert not any("means no file" in one for one in answer.notes)


def test_a_policy_drops_files_by_links(judged: Judge) -> None:
    policy = parse("{keep: [/app/m.py], drop: ['/current/**']}", "policy.yaml")
    kept = judged([{"path": "/app/run"}], policy=policy).judgement.kept
    assert [path for path in kept if path.startswith("/app")] == ["/app", "/app/m.py"]


def test_a_pattern_that_means_nothing_is_said(judged: Judge) -> None:
    policy = parse("{keep: [/bin/non*, '/{opt,none}/**'], drop: [/none]}", "policy.yaml")
    notes = judged([{"path": "/app/m.py"}], policy=policy + preset("nginx")).notes
    assert [one for one in notes if "pattern" in one] == [
        f"the policy's pattern {one} means no file of the image" for one in ("/bin/non*", "/none")
    ]


@pytest.mark.parametrize(
    ("line", "wanted"),
    [
        ("#!/bin/env -S LANG=C python -I", {"/usr/bin/env", "/opt/bin/python"}),
        ("#! \t/bin/env\tpython\tx", {"/usr/bin/env", "/opt/bin/python"}),
        ("#!/opt/bin/python", {"/opt/bin/python"}),
        ("#!/bin/env", {"/usr/bin/env"}),
        ("#!", set()),
    ],
)
def test_a_script_that_a_policy_keeps_can_be_executed(
    tmp_path: Path, line: str, wanted: set[str]
) -> None:
    """Nobody saw what it starts; of one that was executed the recording says that."""
    script = entry("app/tool", f"{line}\n".encode(), mode=0o755)
    programs = [entry(one, b"", mode=0o755) for one in ("usr/bin/env", "opt/bin/python")]
    saved = docker_save([layer([script, *programs, link("bin", "usr/bin")])], Env=["PATH=/opt/bin"])
    image = open_image(as_archive(saved, tmp_path / "image.tar"))
    capture = Capture(write_session(tmp_path / "one", [{"path": "/app"}]))
    answer = judge(capture, image, parse("keep: [/app/tool]", "policy.yaml"))
    kept = {path for path in answer.judgement.kept if image.files[path].kind is Kind.FILE}
    assert kept == wanted | {"/app/tool"}

    executed = Capture(write_session(tmp_path / "two", [{"path": "/app/tool"} | EXEC]))
    assert "/opt/bin/python" not in judge(executed, image).judgement.kept or "env" not in line


def test_what_only_a_policy_keeps_was_not_observed(judged: Judge) -> None:
    answer = judged([{"path": "/app/m.py"}], policy=parse("keep: [/usr/bin/prog]", "policy.yaml"))
    for path in ("/usr/bin/prog", "/usr/private/libfoo.so", "/lib64/ld-linux-x86-64.so.2"):
        assert path in answer.judgement.kept
        assert verdict(answer, path) == "not observed"


def test_what_stays_keeps_its_directories(judged: Judge) -> None:
    policy = parse("{keep: [/app/m.py], drop: ['/app/**']}", "policy.yaml")
    kept = judged([{"path": "/app/run"}], policy=policy).judgement.kept
    assert [path for path in kept if path.startswith("/app")] == ["/app", "/app/m.py"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("keep: /etc", "keep has to be a list"),
        ("keep: [etc]", "has to start with /"),
        ("kept: []", "says 'kept', which a policy does not know"),
        ("[", "is not YAML"),
        ("- a", "has to be a table"),
        ("sets: {x: {keep: []}, y: 1}", "sets: y has to be a table"),
        ("keep: ['/{1..2000}']", "'/{1..2000}' stand for more than 1,000 patterns"),
        pytest.param(
            f"drop: ['/{'{a,' * 5_000}']", "stand for more than 1,000 patterns", id="nested braces"
        ),
    ],
)
def test_a_policy_that_is_none(everything: Path, tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "policy.yaml").write_text(text)
    capture = write_session(tmp_path / "capture", [])
    done = run("unused", capture, "--image", everything, "--policy", tmp_path / "policy.yaml")
    assert isinstance(done.exception, OptionError)
    assert said in str(done.exception)


@pytest.mark.parametrize("name", [*PRESETS, "system"])
def test_presets_are_policies(name: str) -> None:
    policy = preset(name)
    assert policy.keep or policy.sets


def test_looked_at_can_go_and_a_rule_has_to_be_one(judged: Judge) -> None:
    looked = ["/usr/share/doc/x/readme", "/var/empty"]
    events = [*({"path": one} | STAT for one in looked), {"path": "/app/m.py"}]
    assert set(looked) <= set(judged(events).judgement.kept)
    kept = judged(events, drop_looked_at=True).judgement.kept
    assert "/usr/share/doc/x/readme" not in kept
    assert {"/var/empty", "/app/m.py"} <= set(kept)  # a directory weighs nothing
    with pytest.raises(OptionError, match="there is no rule 'links'"):
        judged(events, without_rules=["links"])


def test_listings(everything: Path, tmp_path: Path) -> None:
    path = write_session(tmp_path / "capture", [{"path": "/bin/prog"} | EXEC, {"path": "/new"}])
    arguments = ("unused", path, "--image", everything, "--json")

    def rows(by: str) -> list[dict[str, Any]]:
        return list(json.loads(run(*arguments, "--by", by).stdout))

    files = {row["path"]: row for row in rows("file")}
    loader = files["/lib64/ld-linux-x86-64.so.2"]
    assert (loader["verdict"], loader["inferred"], loader["kept"]) == (
        "needed by a used file",
        True,
        True,
    )
    assert files["/usr/bin/never"]["verdict"] == "not observed"
    assert files["/bin"]["target"] == "usr/bin"
    by_verdict = {row["verdict"]: row["files"] for row in rows("verdict")}
    assert sum(by_verdict.values()) == sum(one["type"] != "directory" for one in files.values())
    directories = {row["directory"]: row for row in rows("directory:1")}
    assert directories["/app"]["files"] == directories["/app"]["not_observed_files"] == 6
    assert [row["path"] for row in rows("outside")] == ["/new"]
    assert [row["layer"] for row in rows("layer")] == [0]
    assert {row["directory"] for row in rows("directory")} == {
        row["directory"] for row in rows("directory:2")
    }


@pytest.mark.parametrize(
    "key", ["", "size", "directory:", "directory:0", "file:1", f"directory:{10**23}"]
)
def test_a_key_that_is_none_is_refused_before_anything_is_done(
    everything: Path, tmp_path: Path, key: str
) -> None:
    path = write_session(tmp_path / "capture", [{"path": "/bin/prog"} | EXEC])
    slim = tmp_path / "slim.tar"
    done = run("unused", path, "--image", everything, "--by", key, "--write", slim)
    assert isinstance(done.exception, OptionError)
    assert "nothing to list by" in str(done.exception)
    assert not done.output
    assert not slim.exists()


@pytest.mark.parametrize(
    "words", [["--by", "file"], ["--csv"], ["--json"], ["--parquet", "x.parquet"]]
)
def test_an_explanation_comes_without_a_listing(words: list[str]) -> None:
    done = run("unused", "nowhere", "--image", "app.tar", "--why", "/bin/sh", *words)
    assert done.exit_code == 2
    assert "--why explains in words" in done.stderr


@pytest.mark.parametrize("command", ["files", "startup"])
@pytest.mark.parametrize("option", ["--reference", "--platform"])
def test_an_image_that_is_not_given_is_not_chosen(command: str, option: str) -> None:
    done = run(command, "nowhere", option, "x")
    assert done.exit_code == 2
    assert "--reference and --platform need --image" in done.stderr


def test_files_are_completed_by_what_the_kernel_opens(everything: Path, tmp_path: Path) -> None:
    events = [{"path": "/app/run"} | EXEC, {"path": "/bin/prog"} | EXEC, {"path": "/x"} | EXEC]
    path = write_session(tmp_path / "capture", events)
    done = run("files", path, "--image", everything, "--json")
    rows = {row["path"]: (row["events"], row["syscalls"]) for row in json.loads(done.stdout)}
    assert rows == {
        "/app/run": (1, ["execve"]),
        "/bin/prog": (1, ["execve"]),
        "/x": (1, ["execve"]),
        "/app/outer": (0, ["inferred"]),
        "/usr/bin/dash": (0, ["inferred"]),
        "/lib64/ld-linux-x86-64.so.2": (0, ["inferred"]),
    }
    assert "! /x was executed and is not in the image" in done.stderr
    path = write_session(tmp_path / "moved", [PIVOT])
    assert f"! {NOT_KNOWN}" in run("files", path, "--image", everything).stderr


def test_hard_links_weigh_once(tmp_path: Path) -> None:
    first, second = entry("a", b"12345"), entry("b", b"")
    (tmp_path / "root").mkdir()
    (tmp_path / "root/a").write_bytes(b"12345")
    (tmp_path / "root/b").hardlink_to(tmp_path / "root/a")
    assert first
    assert second
    capture = write_session(tmp_path / "capture", [{"path": "/b"}])
    answer = judge(Capture(capture), open_image(tmp_path / "root"))
    weights = {one.path: (one.bytes, one.kept) for one in answer.judgement.files}
    assert weights == {"/": (0, True), "/a": (0, False), "/b": (5, True)}


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(place=st.integers(0, 4_000), change=st.binary(min_size=1, max_size=64))
def test_a_damaged_program_is_no_harm(
    image: Image, tmp_path_factory: pytest.TempPathFactory, place: int, change: bytes
) -> None:
    content = image.read("/usr/bin/prog", 1 << 20) or b""
    damaged = content[:place] + change + content[place + len(change) :]
    path = tmp_path_factory.mktemp("damaged") / "image.tar"
    path.write_bytes(layer([entry("prog", damaged)]))
    own = open_image(path)
    libraries = Libraries(own)
    for rule in (libraries.interpreter, libraries.needed):
        for need in rule(Subject("/prog", executed=True)):
            assert isinstance(need, Need | Unknown)


def test_hostile_names_are_only_shown(tmp_path: Path) -> None:
    names = ["new\nline", "esc\x1b[2J", "'; DROP TABLE x; --", "lat\udce9", "<b>"]
    file = tmp_path / "image.tar"
    file.write_bytes(layer([*(entry(one, b"") for one in names), link("l\n", "x\x1b")]))
    events: list[Event] = [
        {"path": "/new\nline"},
        {"path": "/'; DROP TABLE x; --"},
        {"path": "/lat?", "path_bytes": b"/lat\xe9"},
    ]
    capture = write_session(tmp_path / "capture", events)
    answer = judge(Capture(capture), open_image(file))
    used = {one.path for one in answer.judgement.files if one.verdict.value == "used"}
    assert used == {"/new\nline", "/'; DROP TABLE x; --", "/lat\udce9"}
    done = run("unused", capture, "--image", file, "--by", "file")
    assert done.exit_code == 0
    assert "\x1b" not in done.stdout
    assert "/lat\\xe9" in done.stdout
