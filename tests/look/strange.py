# SPDX-License-Identifier: Apache-2.0
"""Captures that are nothing like a recording of a few seconds of one container."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from tests.analysis.conftest import Event, write_session
from tests.look.captures import BEGAN, EACCES, ENOENT

MANY: Final = 500
HUGE: Final = "n" * 5_000
LONG: Final = "/" + "/".join(["d" * 250] * 16) + "/end"  # 4,020 bytes
# Names of what JavaScript's objects have already, marks piled on a letter, formulas, markup.
TAKEN: Final = ("constructor", "toString", "__proto__", "hasOwnProperty", "valueOf")
PILE: Final = "e" + "\u0301" * 40
OTHERS: Final = ('=HYPERLINK("http://x")', "</title><script>alert(1)</script>", "\u2066\U000e0041")


def _container(number: int, name: str) -> dict[str, Any]:
    return {"cgroup_id": number, "name": name, "cgroup_path": f"/{number}"}


def empty(directory: Path) -> Path:
    return write_session(directory, [])


def one_event(directory: Path) -> Path:
    return write_session(directory, [{"path": "/etc/passwd", "ts": BEGAN}], ended_at=None)


def one_unreadable(directory: Path) -> Path:
    return write_session(directory, [{"path": None, "ret": None, "note": "unreadable"}])


def monthly(directory: Path) -> Path:
    """An event a month, for thirty months."""
    events: list[Event] = [
        {
            "path": f"/m/{n}",
            "ret": 3 if n % 4 else ENOENT,
            "ts": datetime(2024 + n // 12, n % 12 + 1, 3, tzinfo=UTC),
        }
        for n in range(30)
    ]
    return write_session(directory, events)


def gaps(directory: Path) -> Path:
    """Losses, rows that are missing, a path unread, one without a base, an unknown container."""
    events: list[Event] = [{"path": f"/f{n}", "seq": 3 * n, "ts": BEGAN} for n in range(30)]
    events += [
        {"path": "relative", "seq": 200, "ts": BEGAN},
        {"path": None, "ret": -14, "note": "unreadable", "seq": 201, "ts": BEGAN},
        {"path": "/unknown", "cgroup_id": 99, "seq": 202, "ts": BEGAN},
    ]
    return write_session(directory, events, losses={"ring_full": 1_234_567, "scratch_busy": 3})


def jumped(directory: Path) -> Path:
    """The clock went on by three years, then was not set."""
    times = [BEGAN, BEGAN + timedelta(days=1_095), datetime(1970, 1, 1, 0, 0, 5, tzinfo=UTC)]
    events: list[Event] = [
        {"path": f"/{when}/{n}", "ts": time + timedelta(milliseconds=n)}
        for when, time in enumerate(times)
        for n in range(20)
    ]
    return write_session(directory, events)


def many_containers(directory: Path) -> Path:
    events: list[Event] = [
        {
            "cgroup_id": number,
            "path": f"/usr/lib/{number % 7}/{n}",
            "ret": 3 if n % 3 else ENOENT,
            "ts": BEGAN + timedelta(seconds=(number * 37 + n * 61) % 3_600),
        }
        for number in range(MANY)
        for n in range(number % 40 + 1)
    ]
    containers = [_container(number, f"service-{number:03}") for number in range(MANY)]
    return write_session(directory, events, containers=containers)


def idle_parent(directory: Path) -> Path:
    """A pod's cgroup, in which nothing runs but its containers."""
    containers = [_container(1, "pod"), _container(2, "web")]
    return write_session(
        directory, [{"path": "/srv/a", "ts": BEGAN, "cgroup_id": 2}], containers=containers
    )


def huge_names(directory: Path) -> Path:
    """Containers whose names are 5,000 letters and begin the same, and a path of 4 KB."""
    events: list[Event] = [
        {"cgroup_id": 1, "path": LONG, "ret": EACCES, "exe": LONG, "ts": BEGAN},
        {"cgroup_id": 2, "path": LONG, "syscall": HUGE, "ts": BEGAN + timedelta(seconds=1)},
    ]
    containers = [_container(1, HUGE + "a"), _container(2, HUGE + "b")]
    return write_session(directory, events, containers=containers)


def taken_names(directory: Path) -> Path:
    names = (*TAKEN, PILE, *OTHERS)
    events: list[Event] = [
        {
            "cgroup_id": number,
            "path": f"/{name}/{name}",
            "ret": ret,
            "syscall": name,
            "comm": name[:15],
            "exe": f"/bin/{name}",
            "ts": BEGAN + timedelta(seconds=number),
        }
        for number, name in enumerate(names)
        for ret in (3, ENOENT)
    ]
    containers = [_container(number, name) for number, name in enumerate(names)]
    return write_session(directory, events, containers=containers, losses={names[-2]: 1})


def many_errors(directory: Path) -> Path:
    """Four hundred system calls, a hundred and twenty errors."""
    events: list[Event] = [
        {"path": f"/a{n}", "syscall": f"call_{n}", "ret": -(n % 120) - 1, "ts": BEGAN}
        for n in range(400)
    ]
    return write_session(directory, events)


CAPTURES: Final[tuple[Callable[[Path], Path], ...]] = (
    empty,
    one_event,
    one_unreadable,
    monthly,
    gaps,
    jumped,
    many_containers,
    idle_parent,
    huge_names,
    taken_names,
    many_errors,
)
