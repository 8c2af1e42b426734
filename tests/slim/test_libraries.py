# SPDX-License-Identifier: Apache-2.0
"""What a loader loads, said by the loader itself, is kept where its program alone was seen."""

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from snoop_analysis import Capture
from snoop_analysis.closure.places import Places
from snoop_analysis.image import Config, Image
from snoop_analysis.image.directory import read_directory
from snoop_analysis.judging import judge
from tests.analysis.conftest import write_session
from tests.slim.test_unused import EXEC

LIBC = "lib/x86_64-linux-gnu/libc.so.6"
CHROOT = shutil.which("chroot") or "chroot"
LOADER = "lib64/ld-linux-x86-64.so.2"
OLD = "-Wl,--disable-new-dtags"  # DT_RPATH instead of DT_RUNPATH
pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="chroot is for root")


@dataclass(frozen=True)
class Program:
    """A program that needs libfoo, which needs libbar.

    Attributes:
        at: where libfoo and libbar are; the one that is loaded first, then others.
        links: names that lead to them.
        rpath, of_foo: directories that the program and libfoo name.
        flags: of the compiler, for all three.
        files: of the loader.
        cached: directories that ldconfig is told of.
        loaded: what has to be loaded; by that a case is about what it says it is.
    """

    at: dict[str, Sequence[str]]
    loaded: str
    rpath: str = ""
    of_foo: str = ""
    links: dict[str, str] | None = None
    flags: Sequence[str] = ()
    files: dict[str, str] | None = None
    cached: Sequence[str] = ()
    variables: dict[str, str] | None = None

    def build(self, root: Path) -> None:
        """The program and its libraries, and the loader of this machine."""
        work = root.with_name("work")
        work.mkdir()
        for path in (LIBC, LOADER):
            put(Path("/", path), root / path)
        if "-m32" in self.flags:
            put(Path("/lib32/libc.so.6"), root / "lib32/libc.so.6")
            put(Path("/lib32/ld-linux.so.2"), root / "lib/ld-linux.so.2")
        self._compile(work, "libbar.so", "int bar(void) { return 1; }", "-shared", "-fPIC")
        self._compile(
            work, "libfoo.so", "int foo(void) { return 2; }", "-shared", "-fPIC", "-L.", "-lbar",
            *path_flag(self.of_foo),
        )  # fmt: skip
        self._compile(
            work, "prog", "int main(void) { return 0; }", "-L.", "-lfoo", "-Wl,-rpath-link,.",
            *path_flag(self.rpath),
        )  # fmt: skip
        put(work / "prog", root / "bin/prog")
        for name, directories in self.at.items():
            for directory in directories:
                put(work / name, root / directory / name)
        for name, target in (self.links or {}).items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).symlink_to(target)
        for name, text in (self.files or {}).items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text)
        if self.cached:
            (root / "etc").mkdir(exist_ok=True)
            subprocess.run(["ldconfig", "-r", root, *self.cached], check=True, capture_output=True)

    def _compile(self, work: Path, name: str, source: str, *flags: str) -> None:
        words = ["gcc", "-xc", "-", "-o", name, "-Wl,--no-as-needed", *flags, *self.flags]
        subprocess.run(words, input=source, cwd=work, text=True, check=True)


def path_flag(directories: str) -> list[str]:
    return [f"-Wl,-rpath,{directories}"] if directories else []


def put(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(source, target)


def loaded(root: Path, variables: dict[str, str] | None = None) -> set[str]:
    """What the loader says that it loads for the program, links followed."""
    loader = "/lib/ld-linux.so.2" if (root / "lib/ld-linux.so.2").exists() else f"/{LOADER}"
    said = subprocess.run(
        [CHROOT, root, loader, "--list", "/bin/prog"],
        env=variables or {},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "not found" not in said
    image = Image("root", read_directory(root))
    return {str(image.find(one).end) for one in re.findall(r"=> (/\S+)", said)}


def both(*directories: str) -> dict[str, Sequence[str]]:
    return {"libfoo.so": directories, "libbar.so": directories}


CASES = {
    "default directories": Program({"libfoo.so": ["usr/lib"], "libbar.so": ["lib"]}, "/lib/lib"),
    "a DT_RPATH is for the libraries of a library": Program(
        {"libfoo.so": ["opt/own"], "libbar.so": ["opt/own", "usr/lib"]},
        "/opt/own/libbar.so",
        rpath="/opt/own",
        flags=[OLD],
    ),
    "a DT_RUNPATH is not": Program(
        {"libfoo.so": ["opt/own"], "libbar.so": ["usr/lib", "opt/own"]},
        "/usr/lib/libbar.so",
        rpath="/opt/own",
    ),
    "LD_LIBRARY_PATH is before DT_RUNPATH": Program(
        {"libfoo.so": ["opt/set", "opt/own"], "libbar.so": ["opt/set"]},
        "/opt/set/libfoo.so",
        rpath="/opt/own",
        variables={"LD_LIBRARY_PATH": "/none:/opt/set"},
    ),
    "and after DT_RPATH": Program(
        {"libfoo.so": ["opt/own", "opt/set"], "libbar.so": ["opt/set"]},
        "/opt/own/libfoo.so",
        rpath="/opt/own",
        flags=[OLD],
        variables={"LD_LIBRARY_PATH": "/opt/set"},
    ),
    "$ORIGIN of a library is where it was found": Program(
        {"libfoo.so": ["opt/real"], "libbar.so": ["usr/lib/more", "opt/real/more"]},
        "/usr/lib/more/libbar.so",
        of_foo="$ORIGIN/more",
        links={"usr/lib/libfoo.so": "/opt/real/libfoo.so"},
    ),
    "${ORIGIN} goes up through directories": Program(
        {"libfoo.so": ["own"], "libbar.so": ["own"]},
        "/own/libbar.so",
        rpath="${ORIGIN}/../own",
        of_foo="$ORIGIN/../own",
    ),
    "$LIB is what the loader was built with": Program(
        both("opt/lib/x86_64-linux-gnu", "opt/lib"),
        "/opt/lib/x86_64-linux-gnu/libfoo.so",
        rpath="/opt/$LIB",
        of_foo="/opt/${LIB}",
    ),
    "$PLATFORM is what the kernel says": Program(
        both("opt/x86_64/l", "opt/haswell/l", "opt/xeon_phi/l"),
        "/l/libfoo.so",
        rpath="/opt/$PLATFORM/l",
        of_foo="/opt/${PLATFORM}/l",
    ),
    "ld.so.conf with its patterns": Program(
        {"libfoo.so": ["opt/a"], "libbar.so": ["opt/b"]},
        "/opt/b/libbar.so",
        files={
            "etc/ld.so.conf": "include conf.d/[0-9]*.conf\n/opt/b # b\n",
            "etc/conf.d/1a.conf": "/opt/a\n",
        },
        cached=["/usr/lib"],
    ),
    "directories that ldconfig alone was told of": Program(
        {"libfoo.so": ["srv/x"], "libbar.so": ["srv/x", "opt/unused"]},
        "/srv/x/libbar.so",
        cached=["/srv/x"],
    ),
    "a library for this processor and one for all": Program(
        {
            "libfoo.so": ["usr/lib"],
            "libbar.so": ["usr/lib/glibc-hwcaps/x86-64-v2", "usr/lib/glibc-hwcaps/x86-64-v3"],
        },
        "/usr/lib/glibc-hwcaps/x86-64-v",
    ),
    "older names for processors": Program(
        {"libfoo.so": ["usr/lib"], "libbar.so": ["usr/lib/tls/x86_64", "usr/lib/haswell/x86_64"]},
        "/libbar.so",
    ),
    "a program of 32 bits": Program(
        {"libfoo.so": ["usr/lib32"], "libbar.so": ["usr/lib32"]},
        "/lib32/libc.so.6",
        flags=["-m32"],
        files={"etc/ld.so.conf": "/lib32\n/usr/lib32\n"},
        cached=["/lib32", "/usr/lib32"],
    ),
    "a library that another program's search path leads to": Program(
        both("opt/odd"),
        "/opt/odd/libfoo.so",
        variables={"LD_LIBRARY_PATH": "/opt/odd"},
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_what_the_loader_loads_is_kept(name: str, tmp_path: Path) -> None:
    case, root = CASES[name], tmp_path / "root"
    case.build(root)
    opened = loaded(root, case.variables)
    assert case.loaded in " ".join(opened)
    said = [f"{key}={value}" for key, value in (case.variables or {}).items()]
    config = Config({"config": {"Env": said}}) if "another" not in name else None
    image = Image("root", read_directory(root), config=config)
    capture = write_session(tmp_path / "capture", [{"path": "/bin/prog"} | EXEC])
    answer = judge(Capture(capture), image)
    assert opened <= set(answer.judgement.kept)
    assert not [one for one in answer.notes if "not in the image" in one]


def kept(root: Path, tmp_path: Path, used: str) -> set[str]:
    capture = write_session(tmp_path / "capture", [{"path": used}])
    return set(judge(Capture(capture), Image("root", read_directory(root))).judgement.kept)


def test_of_two_libraries_the_one_that_is_not_found_goes(tmp_path: Path) -> None:
    """Only as much is kept as the loader may need."""
    root = tmp_path / "root"
    CASES["a DT_RUNPATH is not"].build(root)
    assert "/opt/own/libbar.so" not in kept(root, tmp_path, "/bin/prog")


@pytest.mark.parametrize("used", ["usr/lib/glibc-hwcaps/x86-64-v2/libbar.so", "usr/lib/libbar.so"])
def test_a_library_opened_by_name_stays_for_other_processors(tmp_path: Path, used: str) -> None:
    """dlopen(3): no program names it."""
    root = tmp_path / "root"
    case = CASES["a library for this processor and one for all"]
    case.build(root)
    put(tmp_path / "work/libbar.so", root / "usr/lib/libbar.so")
    names = kept(root, tmp_path, f"/{used}")
    assert {f"/{one}/libbar.so" for one in ("usr/lib", *case.at["libbar.so"])} <= names


def test_the_libc_of_musl_is_its_loader(tmp_path: Path) -> None:
    root = tmp_path / "root"
    loader = Path("/lib/ld-musl-x86_64.so.1")
    if not loader.exists():
        pytest.skip("there is no musl")
    root.mkdir()
    put(loader.resolve(), root / "lib/ld-musl-x86_64.so.1")
    subprocess.run(
        ["musl-gcc", "-xc", "-", "-shared", "-fPIC", "-o", root / "plug.so"],
        input='int puts(const char *); int plug(void) { return puts(""); }',
        text=True,
        check=True,
    )
    capture = write_session(tmp_path / "capture", [{"path": "/plug.so"}])
    answer = judge(Capture(capture), Image("root", read_directory(root)))
    assert "/lib/ld-musl-x86_64.so.1" in answer.judgement.kept
    assert not [one for one in answer.notes if "not in the image" in one]


def test_a_configuration_that_includes_itself_is_read_once(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/ld.so.conf").write_text("include ld.so.conf *.conf\n" * 20 + "/opt/a\n")
    (tmp_path / "etc/more.conf").write_text("/opt/b\ninclude *.conf\n")
    image = Image("root", read_directory(tmp_path))
    assert Places(image).directories[:2] == ["/opt/b", "/opt/a"]
