# SPDX-License-Identifier: Apache-2.0
"""An image with one of everything that a rule is about, its programs compiled for real."""

import subprocess
from pathlib import Path

import pytest

from snoop_analysis.image import Image, open_image
from tests.slim.images import Item, entry, layer, link

LOADER = "lib64/ld-linux-x86-64.so.2"
PYC = "__pycache__/m.cpython-311.pyc"
FILES = {
    "app/run": b"#!/app/outer -x\n",
    "app/outer": b"#! /bin/sh\n",
    "app/opened": b"#!/usr/bin/never\n",
    "app/m.py": b"",
    f"app/{PYC}": b"",
    "app/other.py": b"",
    "etc/passwd": b"root:x:0:0::/:/bin/sh\n",
    "etc/group": b"",
    "etc/nsswitch.conf": b"",
    "etc/ld.so.conf": b"include /etc/ld.so.conf.d/*.conf\n",
    "etc/ld.so.conf.d/app.conf": b"/opt/lib # where libbar is\n",
    "etc/ld.so.cache": b"",
    "etc/ssl/certs/one.pem": b"",
    "etc/ssl/certs/two.pem": b"",
    "usr/share/zoneinfo/Europe/Rome": b"",
    "usr/share/zoneinfo/UTC": b"",
    "usr/lib/locale/C.utf8/LC_CTYPE": b"",
    "usr/lib/locale/C.utf8/LC_TIME": b"",
    "usr/lib/locale/de/LC_TIME": b"",
    "usr/lib/x86_64-linux-gnu/libnss_x.so.2": b"",
    "usr/lib/x86_64-linux-gnu/libgcc_s.so.1": b"",
    "usr/bin/dash": b"",
    "usr/bin/never": b"",
    "usr/share/doc/x/readme": b"readme",
    "tmp/left": b"",
    "dev/cfg": b"",
    "var/db/PG_VERSION": b"15\n",
    "var/db/base/5/1247": b"",
}
LINKS = {
    "bin": "usr/bin",
    "usr/bin/sh": "dash",
    "current": "app",
    "var/loop/vol": "/data",
    "var/jail/link": "/vol/in",
    "odd/x": "/var/\udcff",
    "etc/localtime": "../usr/share/zoneinfo/UTC",
    "etc/ssl/certs/hash.0": "/usr/share/pem/three.pem",
}


def compiled(directory: Path) -> dict[str, bytes]:
    """``prog`` needs libfoo beside it, that needs libbar where ld.so.conf says; and a libc."""
    for name, needs in (("bar", []), ("foo", ["-L.", "-lbar"])):
        source = f"int {name}(void) {{ return 1; }}\n"
        flags = ["-shared", "-fPIC", "-Wl,--no-as-needed", f"-olib{name}.so"]
        subprocess.run(
            ["gcc", "-xc", *flags, "-", *needs], input=source, cwd=directory, text=True, check=True
        )
    rpath = "-Wl,--no-as-needed,-rpath,$ORIGIN/../private,-rpath-link,."
    subprocess.run(
        ["gcc", "-xc", "-oprog", rpath, "-", "-L.", "-lfoo"],
        input="int main(void) { return 0; }\n",
        cwd=directory,
        text=True,
        check=True,
    )
    place = {
        "usr/bin/prog": "prog",
        "usr/private/libfoo.so": "libfoo.so",
        "opt/lib/libbar.so": "libbar.so",
    }
    found = {path: (directory / name).read_bytes() for path, name in place.items()}
    libc = Path("/lib/x86_64-linux-gnu/libc.so.6")
    wrong = b"\x7fELF\x01" + bytes(60)  # of 32 bits: no loader takes it for this program
    return found | {
        "usr/lib/x86_64-linux-gnu/libc.so.6": libc.read_bytes(),
        LOADER: Path(f"/{LOADER}").read_bytes(),
        "usr/lib/x86_64-linux-gnu/glibc-hwcaps/x86-64-v3/libc.so.6": libc.read_bytes(),
        "lib/libbar.so": wrong,
    }


@pytest.fixture(scope="session")
def everything(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The archive of that image."""
    directory = tmp_path_factory.mktemp("everything")
    files = FILES | compiled(directory)
    items: list[Item] = [entry(name, content) for name, content in files.items()]
    items += [link(name, target) for name, target in LINKS.items()]
    items += [
        entry("usr/share/pem/three.pem", b""),
        entry("var/empty"),
        entry("var/\udcff/y", b""),
        entry("var/jail/data", b""),
    ]
    path = directory / "image.tar"
    path.write_bytes(layer(items))
    return path


@pytest.fixture(scope="session")
def image(everything: Path) -> Image:
    return open_image(everything)
