# SPDX-License-Identifier: Apache-2.0
"""What the policies that come with the package keep."""

from pathlib import Path

import pytest

from snoop_analysis import Capture
from snoop_analysis.closure.policy import PRESETS, preset
from snoop_analysis.errors import OptionError
from snoop_analysis.image import open_image
from snoop_analysis.judging import judge
from tests.analysis.conftest import write_session
from tests.slim.images import entry, layer, link

PYTHON = "/usr/lib/python3.11"
JAVA = "/usr/lib/jvm/java-17/lib"
JAVA_8 = "/usr/lib/jvm/java-8-openjdk-amd64/jre/lib"
JAVA_8_FILES = (  # beside the libraries of the processor
    *("amd64/libnet.so", "amd64/jvm.cfg", "amd64/jli/libjli.so", "tzdb.dat", "currency.data"),
    *("jce.jar", "logging.properties", "meta-index", "ext/sunec.jar", "security/java.security"),
    *("security/policy/unlimited/local_policy.jar", "management/management.properties"),
)
KEPT = [  # the preset, what was used, what it keeps because of that
    ("python", f"{PYTHON}/encodings/utf_8.py", f"{PYTHON}/encodings/idna.py"),
    ("python", f"{PYTHON}/logging/__init__.py", f"{PYTHON}/traceback.py"),
    ("python", f"{PYTHON}/multiprocessing/context.py", f"{PYTHON}/multiprocessing/spawn.py"),
    ("python", "/opt/site-packages/certifi/core.py", "/opt/site-packages/certifi/cacert.pem"),
    ("python", "/opt/tzdata/__init__.py", "/opt/tzdata/zoneinfo/Europe/Rome"),
    ("node", "/app/node_modules/left/index.js", "/app/node_modules/left/package.json"),
    ("node", "/app/node_modules/@a/b/index.mjs", "/app/node_modules/@a/b/package.json"),
    ("node", "/usr/bin/node", "/usr/share/icu/72/icudt72l.dat"),
    ("java", f"{JAVA}/server/libjvm.so", f"{JAVA}/libnet.so"),
    ("java", f"{JAVA}/server/libjvm.so", f"{JAVA}/modules"),
    ("java", f"{JAVA}/server/libjvm.so", f"{JAVA}/security/cacerts"),
    ("java", f"{JAVA}/server/libjvm.so", f"{JAVA}/../conf/net.properties"),
    *(("java", f"{JAVA_8}/amd64/server/libjvm.so", f"{JAVA_8}/{one}") for one in JAVA_8_FILES),
    ("java", f"{JAVA_8}/arm/client/libjvm.so", f"{JAVA_8}/tzdb.dat"),
    ("nginx", "/usr/sbin/nginx", "/etc/nginx/mime.types"),
    ("nginx", "/usr/sbin/nginx", "/var/lib/nginx/body/x"),
]


@pytest.mark.parametrize(("name", "used", "wanted"), KEPT)
def test_what_a_preset_keeps(tmp_path: Path, name: str, used: str, wanted: str) -> None:
    path = tmp_path / "image.tar"
    path.write_bytes(layer([entry(one[1:], b"") for one in (used, wanted, "/opt/other")]))
    image = open_image(path)
    capture = Capture(write_session(tmp_path / "capture", [{"path": used}]))
    end = image.find(wanted).end
    assert end in judge(capture, image, preset(name)).judgement.kept
    assert end not in judge(capture, image).judgement.kept
    assert "/opt/other" not in judge(capture, image, preset(name)).judgement.kept


def test_what_belongs_together_is_found_by_links(tmp_path: Path) -> None:
    path = tmp_path / "image.tar"
    terminals = [entry(f"usr/lib/terminfo/{one}", b"") for one in ("x/xterm", "l/linux")]
    path.write_bytes(layer([*terminals, link("lib", "usr/lib")]))
    used = {"path": "/lib/terminfo/x/xterm"}
    capture = Capture(write_session(tmp_path / "capture", [used]))
    assert "/usr/lib/terminfo/l/linux" in judge(capture, open_image(path)).judgement.kept


def test_every_preset_is_tested() -> None:
    assert {name for name, *_ in KEPT} == set(PRESETS)


@pytest.mark.parametrize("name", ["pyton", "../sql/tables", ""])
def test_a_preset_that_is_none(name: str) -> None:
    with pytest.raises(OptionError, match=f"no preset '{name}'; there are python, node, java, ngi"):
        preset(name)
