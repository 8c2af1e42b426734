# SPDX-License-Identifier: Apache-2.0
"""Captures to look at: two containers with hostile names, and one with many files."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from tests.analysis.conftest import Event, write_session

BEGAN: Final = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
ENOENT: Final = -2
EACCES: Final = -13

# What a name may hold, and how everything that people see has to show it.
HOSTILE: Final = {
    "<script>document.title='owned'</script>": "<script>document.title='owned'</script>",
    "</script><img src=x onerror=document.title='owned'>": (
        "</script><img src=x onerror=document.title='owned'>"
    ),
    "\"onmouseover=\"document.title='owned'": "\"onmouseover=\"document.title='owned'",
    "'; DROP TABLE events; --": "'; DROP TABLE events; --",
    "<!-- <style>*{display:none}": "<!-- <style>*{display:none}",
    "{{ 7 * 7 }}": "{{ 7 * 7 }}",
    "\u202egpj.exe": "\\u202egpj.exe",
    "two\nlines": "two\\nlines",
    "\x1b[31mred": "\\x1b[31mred",
    "line\u2028separator": "line\\u2028separator",
}
NOT_UTF8: Final = b"/srv/stray-\xff"
NOT_UTF8_SHOWN: Final = "/srv/stray-\\xff"


def hostile_capture(directory: Path) -> Path:
    """Ten hostile names in one container, ordinary ones in another; losses and a defect."""
    events: list[Event] = [
        *({"path": f"/srv/{name}", "ret": 3} for name in HOSTILE),
        *({"path": f"/srv/{name}/deeper", "ret": 3} for name in HOSTILE),
        {"path": NOT_UTF8_SHOWN, "path_bytes": NOT_UTF8, "ret": 3},
        *({"path": "/opt/missing.so", "ret": ENOENT} for _ in range(5)),
        {"path": "/opt/secret", "ret": EACCES, "syscall": "stat"},
        {"path": "/opt/blocked", "ret": None, "note": "blocked", "syscall": "stat"},
        {"path": None, "ret": ENOENT, "note": "unreadable"},
        *({"path": "/bin/tool", "ret": 0, "syscall": "execve", "cgroup_id": 2} for _ in range(3)),
    ]
    return write_session(
        directory,
        [{**event, "ts": BEGAN + timedelta(seconds=n)} for n, event in enumerate(events)],
        containers=[
            {"cgroup_id": 1, "name": "<b>web</b>", "cgroup_path": "/web"},
            {"cgroup_id": 2, "name": "tool", "cgroup_path": "/tool"},
        ],
        losses={"ring_full": 7},
    )


def large_capture(directory: Path, files: int) -> Path:
    """``files`` files in directories of a hundred, of names like those of a distribution."""
    events: list[Event] = [
        {
            "path": f"/usr/lib/python3/package{n // 100:04}/module_{n * 7919 % files:06}.py",
            "ret": 3 if n % 4 else ENOENT,
            "ts": BEGAN + timedelta(milliseconds=n),
        }
        for n in range(files)
    ]
    return write_session(directory, events)


def facts(spec: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows a Vega-Lite picture draws."""
    (rows,) = spec["datasets"].values()
    return list(rows)
