# SPDX-License-Identifier: Apache-2.0
"""The program in the forms that older kernels get, and where the verifier refuses one."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from snoop_capture.btf import KernelTypes
from snoop_capture.offsets import Form, forms
from snoop_capture.program import Program
from snoop_capture.recorder import layout_here
from snoop_capture.tracepoints import are_preemptible
from tests.capture.recording import Recorder, Recording, Row

pytestmark = pytest.mark.bpf

# What every Python of the recording finds first: a kernel without some of what this one has.
# With it the form that is the quickest then.
OLDER: Final = {
    "no cast, as before 6.2": (
        Form.TYPED,
        """
from snoop_capture.btf import KernelTypes

KernelTypes.function = lambda self, name: None
""",
    ),
    "no types, as before 5.15": (
        Form.UNTYPED,
        """
from snoop_capture.btf import KernelTypes

KernelTypes.has_helper = lambda self, name: False
""",
    ),
    "a cast by what is no function: refused": (
        Form.TYPED,
        """
from snoop_capture.btf import KernelTypes

KernelTypes.function = lambda self, name: self.structure("pt_regs")
""",
    ),
    "a field where none is: refused with types": (
        Form.UNTYPED,
        """
from snoop_capture.btf import KernelTypes

KernelTypes.function = lambda self, name: None
offsets = KernelTypes.offsets

def moved(self, names):
    found = offsets(self, names)
    return {name: at + (name == "task_struct.tgid") for name, at in found.items()}

KernelTypes.offsets = moved
""",
    ),
}
ASK_FORM: Final = """
from snoop_capture.program import Program
from snoop_capture.recorder import layout_here

with Program(layout_here(1 << 20)) as program:
    print(program.form)
"""
# Names that are kept in the dentry itself, up to 31 bytes, are loaded in another way than others.
SHORT: Final = "/".join(map(str, range(40)))
MIXED: Final = f"{SHORT}/{'n' * 255}/{'m' * 31}"
DEEP: Final = f"{MIXED}/{'l' * 32}/{'k' * 33}"
# Names below the working directory, below open ones, and below what is none.
CALLS: Final = f"""
import contextlib, os, socket

def call(function, *arguments, **options):
    with contextlib.suppress(OSError):
        return function(*arguments, **options)

os.makedirs({DEEP!r})
deep = os.open({DEEP!r}, os.O_RDONLY)
call(os.stat, "below-open", dir_fd=deep)
call(os.stat, "below-short", dir_fd=os.open({SHORT!r}, os.O_RDONLY))
call(os.stat, "below-mixed", dir_fd=os.open({MIXED!r}, os.O_RDONLY))
call(os.stat, "below-file", dir_fd=os.open("/proc/version", os.O_RDONLY))
call(os.stat, "below-pipe", dir_fd=os.pipe()[0])
os.mkdir("removed")
removed = os.open("removed", os.O_RDONLY)
os.rmdir("removed")
call(os.stat, "below-removed-short", dir_fd=removed)
call(os.stat, "below-mount", dir_fd=os.open("/proc/sys/kernel", os.O_RDONLY))
call(os.stat, "below-root", dir_fd=os.open("/", os.O_RDONLY))
call(os.stat, "below-socket", dir_fd=socket.socketpair()[0].fileno())
call(os.stat, "below-nothing", dir_fd=1000)
os.chdir(deep)
call(os.stat, "below-own")
os.rename("../../" + "l" * 32, "../../renamed")
os.close(os.open("made", os.O_CREAT))
os.close(os.open("made", os.O_RDONLY, dir_fd=deep))
os.unlink("made")
os.rmdir("../" + "k" * 33)
call(os.stat, "below-removed")
call(os.stat, "below-removed-open", dir_fd=deep)
print(os.getpid())
"""
COLUMNS: Final = ("syscall", "path", "path_role", "base", "real_path", "note", "ret", "comm", "exe")


def calls(recording: Recording, directory: Path) -> list[Row]:
    """What was recorded of ``CALLS`` in a directory, which is left out of the names."""
    names = ("below-", "made", "../", "0/1/2")
    rows = [row for row in recording.rows if str(row["path"]).startswith(names)]
    assert {row["pid"] for row in rows} == {int(recording.stdout)}
    for row in rows:
        for column in ("base", "real_path"):
            row[column] = row[column] and row[column].replace(str(directory), "")
    return [{column: row[column] for column in COLUMNS} for row in rows]


@pytest.fixture(scope="module")
def newest(record: Recorder, tmp_path_factory: pytest.TempPathFactory) -> list[Row]:
    """What is recorded in this kernel's own form."""
    directory = tmp_path_factory.mktemp("newest")
    return calls(record([sys.executable, "-c", CALLS], cwd=directory), directory)


def test_the_quickest_form_is_taken() -> None:
    """A kernel that refuses it would record the same, and cost more."""
    with Program(layout_here(1 << 20)) as program:
        assert program.form == forms(KernelTypes(), program.is_on_events)[0].name


def test_directories(newest: list[Row]) -> None:
    deep, moved = f"/{DEEP}", f"/{DEEP}".replace("l" * 32, "renamed")
    found = {row["path"]: (row["base"], row["note"]) for row in newest}
    assert {path: found[path] for path in found if path and path.startswith("below-")} == {
        "below-open": (deep, None),
        "below-short": (f"/{SHORT}", None),
        "below-mixed": (f"/{MIXED}", None),
        "below-file": ("/proc/version", None),
        "below-pipe": (None, "unresolved_base"),
        "below-removed-short": ("/removed", "deleted"),
        "below-mount": ("/proc/sys/kernel", None),
        "below-root": ("/", None),
        "below-socket": (None, "unresolved_base"),
        "below-nothing": (None, "unresolved_base"),
        "below-own": (deep, None),
        "below-removed": (moved, "deleted"),
        "below-removed-open": (moved, "deleted"),
    }
    assert {(row["base"], row["real_path"]) for row in newest if row["path"] == "made"} == {
        (moved, f"{moved}/made"),
        (moved, None),
    }


@pytest.mark.parametrize("lack", OLDER)
def test_an_older_kernel(
    record: Recorder,
    newest: list[Row],
    lack: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    form, customized = OLDER[lack]
    if are_preemptible() and form is Form.UNTYPED:
        pytest.skip("programs on events need types")
    own = forms(KernelTypes(), are_preemptible())[0]
    (tmp_path / "sitecustomize.py").write_text(customized)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    asked = subprocess.run([sys.executable, "-c", ASK_FORM], check=True, stdout=subprocess.PIPE)
    assert asked.stdout.decode().strip() == max(form, own, key=lambda one: one.value).name
    recording = record([sys.executable, "-c", CALLS], cwd=tmp_path)
    assert calls(recording, tmp_path) == newest
    is_refused = "refused" in lack and own is not Form.UNTYPED
    assert ("in its quickest form" in recording.stderr) == is_refused, recording.stderr
