# SPDX-License-Identifier: Apache-2.0
"""Packages of images, read from what real package managers wrote where this machine has them."""

import shutil
import subprocess
from importlib.metadata import distribution
from pathlib import Path

import pytest

from snoop_analysis import Capture
from snoop_analysis.image import Image, open_image
from snoop_analysis.judging import judge
from snoop_analysis.listings import listing
from snoop_analysis.packages import Package, installed, owners
from snoop_analysis.totals import summary
from tests.analysis.conftest import write_session
from tests.slim.images import Item, entry, layer, link

APK = """\
C:Q1abc=
P:musl
V:1.2.5-r0
F:lib
R:ld-musl-x86_64.so.1
a:0:0:755
R:libc.musl-x86_64.so.1
F:usr/share

P:empty
V:1
"""
DISTROLESS = "Package: tzdata\nVersion: 2025b\nDescription: time\n more of it\n"
NODE: dict[str, bytes] = {
    "app/node_modules/left/package.json": b'{"name": "left", "version": "1.0"}',
    "app/node_modules/left/index.js": b"",
    "app/node_modules/left/node_modules/deep/package.json": b'{"name": "deep", "version": "2"}',
    "app/node_modules/left/node_modules/deep/x.js": b"",
    "app/node_modules/@scope/pad/package.json": b'{"name": "@scope/pad"}',
    "app/node_modules/.bin/left": b"",
    "app/node_modules/broken/package.json": b"{",
}


def image_of(path: Path, files: dict[str, bytes], links: dict[str, str] | None = None) -> Image:
    items: list[Item] = [link(name, target) for name, target in (links or {}).items()]
    path.write_bytes(layer([*items, *(entry(name, content) for name, content in files.items())]))
    return open_image(path)


def named(image: Image) -> dict[str, Package]:
    packages, unread = installed(image)
    assert unread == []
    return {one.name: one for one in packages}


def test_dpkg_of_this_machine(tmp_path: Path) -> None:
    listed = subprocess.run(
        ["dpkg", "-L", "hostname"], capture_output=True, text=True, check=True
    ).stdout.split()
    version = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Version}", "hostname"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    database = [Path("/var/lib/dpkg/status"), *Path("/var/lib/dpkg/info").glob("hostname.*")]
    files = {str(one)[1:]: one.read_bytes() for one in database}
    files |= {one.replace("/bin/", "/usr/bin/")[1:]: b"" for one in listed if Path(one).is_file()}
    image = image_of(tmp_path / "image.tar", files, {"bin": "usr/bin"})
    packages = named(image)
    assert list(packages) == ["hostname"]  # of the others there is no list of files
    assert packages["hostname"].version == version
    assert set(packages["hostname"].files) == set(listed) | {"/."}
    owner = owners(packages.values(), image)
    assert owner["/usr/bin/hostname"].name == "hostname"  # listed as /bin/hostname


@pytest.mark.parametrize("place", ["lib/apk/db/installed", "usr/lib/apk/db/installed"])
def test_apk(tmp_path: Path, place: str) -> None:
    packages = named(image_of(tmp_path / "image.tar", {place: APK.encode()}))
    assert (packages["musl"].kind, packages["musl"].version) == ("apk", "1.2.5-r0")
    assert packages["musl"].files == (
        "/lib",
        "/lib/ld-musl-x86_64.so.1",
        "/lib/libc.musl-x86_64.so.1",
        "/usr/share",
    )
    assert packages["empty"].files == ()


def test_distroless(tmp_path: Path) -> None:
    place = "var/lib/dpkg/status.d/tzdata"
    sums = b"0123456789abcdef  usr/share/zoneinfo/UTC\n"
    image = image_of(tmp_path / "image.tar", {place: DISTROLESS.encode(), f"{place}.md5sums": sums})
    (package,) = named(image).values()
    assert (package.name, package.version) == ("tzdata", "2025b")
    assert "/usr/share/zoneinfo/UTC" in package.files


def test_python_of_this_environment(tmp_path: Path) -> None:
    found = distribution("click")
    assert found.files
    home = "usr/lib/python3/dist-packages"
    files = {
        f"{home}/{one}": Path(str(one.locate())).read_bytes()
        for one in found.files
        if Path(str(one.locate())).is_file()
    }
    packages = named(image_of(tmp_path / "image.tar", files))
    assert list(packages) == ["click"]
    assert packages["click"].version == found.version
    assert f"/{home}/click/core.py" in packages["click"].files


def test_bytecode_belongs_to_the_package_of_its_source(tmp_path: Path) -> None:
    """Debian compiles when it installs: no package lists what comes of that."""
    files = {
        "var/lib/dpkg/status": b"Package: python3-x\nVersion: 1\n",
        "var/lib/dpkg/info/python3-x.list": b"/usr/lib/python3/x.py\n",
        "usr/lib/python3/x.py": b"",
        "usr/lib/python3/__pycache__/x.cpython-311.pyc": b"",
        "usr/lib/python3/__pycache__/x.cpython-311.opt-1.pyc": b"",
        "usr/lib/python3/__pycache__/y.cpython-311.pyc": b"",
        "usr/lib/python3/x.cpython-311.pyc": b"",
    }
    image = image_of(tmp_path / "image.tar", files)
    owned = {path for path in owners(named(image).values(), image) if path.endswith(".pyc")}
    home = "/usr/lib/python3/__pycache__"
    assert owned == {f"{home}/x.cpython-311.pyc", f"{home}/x.cpython-311.opt-1.pyc"}


def test_node(tmp_path: Path) -> None:
    image = image_of(tmp_path / "image.tar", NODE)
    packages = named(image)
    assert {name: one.version for name, one in packages.items()} == {
        "left": "1.0",
        "deep": "2",
        "@scope/pad": "?",
    }
    owner = owners(packages.values(), image)
    assert owner["/app/node_modules/left/node_modules/deep/x.js"].name == "deep"
    assert owner["/app/node_modules/left/index.js"].name == "left"


def test_copies_of_a_package_are_told_apart(tmp_path: Path) -> None:
    """One of them may be used, and the other not."""
    package = b'{"name": "left", "version": "1.0"}'
    homes = ["app/node_modules/left", "srv/node_modules/left"]
    files = {f"{home}/{name}": package for home in homes for name in ("package.json", "x.js")}
    record = b"pip/__init__.py,,\n"
    for home in ("usr/lib/python3", "opt/venv/lib/python3"):
        files |= {f"{home}/pip/__init__.py": b"", f"{home}/pip-1.dist-info/RECORD": record}
    image = image_of(tmp_path / "image.tar", files)
    used = [f"/{homes[0]}/x.js", "/opt/venv/lib/python3/pip/__init__.py"]
    capture = write_session(tmp_path / "capture", [{"path": one} for one in used])
    answer = judge(Capture(capture), image)
    rows = listing(answer, "package").project("home, used_files, files").fetchall()
    assert [row for row in rows if row[0]] == [
        ("/srv/node_modules/left", 0, 2),
        ("/usr/lib/python3", 0, 1),
        ("/app/node_modules/left", 1, 2),
        ("/opt/venv/lib/python3", 1, 1),
    ]
    lines = "\n".join(summary(answer.judgement))
    assert "2 of 4 packages: nothing was observed of them" in lines
    assert "left 1.0 (node) in /srv/node_modules/left" in lines
    assert "/app/node_modules" not in lines


SPEC = """\
Name: tool
Version: 1.2
Release: 3
Summary: a tool
License: none
BuildArch: noarch
%description
%install
mkdir -p %{buildroot}/opt/tool
echo x > %{buildroot}/opt/tool/run
%files
/opt/tool/run
"""


def rpm_root(directory: Path) -> Path:
    """A root with RPM's database, in which one package is installed."""
    (directory / "tool.spec").write_text(SPEC)
    macros = ["--define", f"_topdir {directory}/build", "--define", "_build_id_links none"]
    root = directory / "root"
    root.mkdir()
    for words in (
        ["rpmbuild", "-bb", *macros, str(directory / "tool.spec")],
        ["rpm", "--root", str(root), "--dbpath", "/var/lib/rpm", "--initdb"],
    ):
        subprocess.run(words, check=True, capture_output=True)
    (built,) = (directory / "build").rglob("*.rpm")
    subprocess.run(
        ["rpm", "--root", root, "--dbpath", "/var/lib/rpm", "-i", "--justdb", "--nodeps", built],
        check=True,
        capture_output=True,
    )
    return root


@pytest.mark.skipif(shutil.which("rpmbuild") is None, reason="there is no rpmbuild")
def test_rpm(tmp_path: Path) -> None:
    packages = named(open_image(rpm_root(tmp_path)))
    assert (packages["tool"].kind, packages["tool"].version) == ("rpm", "1.2-3")
    assert packages["tool"].files == ("/opt/tool/run",)


def test_a_damaged_database_is_said_and_the_rest_read(tmp_path: Path) -> None:
    files = NODE | {"var/lib/rpm/rpmdb.sqlite": b"no database" * 999}
    packages, unread = installed(image_of(tmp_path / "image.tar", files))
    assert {one.kind for one in packages} == {"node"}
    (sentence,) = unread
    assert sentence.startswith("packages of rpm are not told apart: ")


def test_packages_of_which_nothing_was_observed_come_first(tmp_path: Path) -> None:
    files = NODE | {"app/node_modules/@scope/pad/big.js": bytes(5_000)}
    image = image_of(tmp_path / "image.tar", files)
    times = "2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"
    capture = write_session(
        tmp_path / "capture",
        [{"path": "/app/node_modules/left/index.js"}],
        started_at=times[0],
        ended_at=times[1],
    )
    answer = judge(Capture(capture), image)
    lines = "\n".join(summary(answer.judgement))
    assert "2 of 3 packages: nothing was observed of them, 5.1 kB" in lines
    assert lines.index("@scope/pad") < lines.index("deep")
    assert "left 1.0" not in lines
    assert "1 d 0 h" in answer.heading()[0]

    kept = judge(Capture(capture), image, keep_metadata=True).judgement.kept
    assert "/app/node_modules/@scope/pad/package.json" in kept
    assert "/app/node_modules/@scope/pad/package.json" not in answer.judgement.kept


def test_metadata_is_kept_by_its_names(tmp_path: Path) -> None:
    names = ["[ab]", *(f"p{number}" for number in range(300))]
    ends = "list", "md5sums", "postinst"
    about = [f"usr/lib/dpkg/info/{name}.{end}" for name in names for end in ends]
    status = "".join(f"Package: {name}\nVersion: 1\n\n" for name in names).encode()
    files = {"usr/lib/dpkg/status": status, "usr/lib/dpkg/info/a.list": b""}
    files |= dict.fromkeys(about, b"")
    image = image_of(tmp_path / "image.tar", files, {"var/lib/dpkg": "../../usr/lib/dpkg"})
    capture = Capture(write_session(tmp_path / "capture", []))
    kept = judge(capture, image, keep_metadata=True).judgement.kept
    assert {f"/{one}" for one in about} <= set(kept)
    assert {"/var/lib/dpkg", "/usr/lib/dpkg/status"} <= set(kept)
    assert "/usr/lib/dpkg/info/a.list" not in kept
