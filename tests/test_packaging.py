# SPDX-License-Identifier: Apache-2.0
"""What is in the wheel, and what each half imports."""

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", f"--outdir={directory}"]
    done = subprocess.run(build, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (built,) = directory.glob("*.whl")
    return built


def test_the_bpf_sources_are_in_the_wheel(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    sources = [path.relative_to(ROOT) for path in (ROOT / "bpf").rglob("*") if path.is_file()]
    assert {f"snoop_capture/{source}" for source in sources} <= names
    assert {"snoop_capture/bpf/snoop.c", "snoop_capture/bpf/walk.h"} <= names
    assert "snoop_capture/bpf/include/include/linux/types.h" in names


def test_templates_styles_and_scripts_are_in_the_wheel(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    files = [path for path in (ROOT / "snoop_analysis/html").rglob("*") if path.is_file()]
    wanted = {str(path.relative_to(ROOT)) for path in files if path.suffix != ".pyc"}
    assert {".html", ".css", ".js"} <= {Path(name).suffix for name in wanted}
    assert wanted <= names


def test_the_policies_are_in_the_wheel(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    policies = [path.relative_to(ROOT) for path in (ROOT / "snoop_analysis").rglob("*.yaml")]
    assert len(policies) == 5
    assert {str(path) for path in policies} <= names


def test_the_sql_and_the_types_are_in_the_wheel(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    sql = [path.relative_to(ROOT) for path in (ROOT / "snoop_analysis").rglob("*.sql")]
    assert sql
    assert {str(path) for path in sql} <= names
    packages = ("snoop_capture", "snoop_analysis", "snoop_format")
    assert {f"{package}/py.typed" for package in packages} <= names


def test_both_commands_and_no_bcc(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    (metadata,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
    (entry,) = (name for name in archive.namelist() if name.endswith("entry_points.txt"))
    required = re.findall(r"^Requires-Dist: ([\w-]+)", archive.read(metadata).decode(), re.M)
    assert "duckdb" in required
    assert not [name for name in required if "bcc" in name]
    commands = re.findall(r"^(\S+) = (\S+)$", archive.read(entry).decode(), re.M)
    assert dict(commands) == {
        "snoop-capture": "snoop_capture.cli:main",
        "snoop-analyze": "snoop_analysis.cli:main",
    }


def test_the_installed_loader_finds_its_sources(wheel: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path)
    program = "from snoop_capture.source import bpf_directory; print(bpf_directory())"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": str(tmp_path)},
        cwd="/",
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == str(tmp_path / "snoop_capture/bpf")


def imported(statement: str) -> set[str]:
    """The top-level packages that a statement brings in, in a fresh interpreter."""
    program = f"import sys; {statement}; print(*{{name.split('.')[0] for name in sys.modules}})"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "statement",
    [
        "import snoop_analysis",
        "import snoop_analysis.cli",
        "import snoop_analysis.capture, snoop_analysis.replay, snoop_analysis.report",
    ],
)
def test_the_analysis_imports_nothing_of_the_recorder(statement: str) -> None:
    assert not imported(statement) & {"bcc", "snoop_capture"}


@pytest.mark.parametrize("module", ["run", "service"])
def test_the_recorder_carries_no_more_than_it_needs(module: str) -> None:
    heavy = {"bcc", "duckdb", "pandas", "snoop_analysis", "urllib3"}
    assert not imported(f"import snoop_capture.{module}") & heavy


def test_no_file_names_a_package_registry() -> None:
    parts = [r"files\.python" + "hosted", r"pypi\.org/sim" + "ple", r"registry\.npm" + "js"]
    hosts = re.compile("|".join(parts))
    tracked = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    for name in filter(None, tracked.stdout.split("\0")):
        assert not hosts.search((ROOT / name).read_text(errors="replace")), name
