# SPDX-License-Identifier: Apache-2.0
"""Runs the recorder's tests on the kernels of Debian's releases, in QEMU without KVM.

    make test-kernels [KERNELS="bookworm trixie"] [TESTS=tests/capture/test_exec.py]

Needs root (to unpack a system), and the packages that the Makefile names. Kernels and a small
Debian with this checkout in it come from the package archive that this machine's own apt uses; all
of it stays in ``.kernels``. A run takes some minutes a kernel. Prints a table of kernels and tests;
the whole output of each kernel is in ``.kernels/SUITE.log``. Exit code 1: a test failed.
"""

import argparse
import lzma
import platform
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).resolve().parent
CHECKOUT: Final = HERE.parents[1]
CACHE: Final = CHECKOUT / ".kernels"

SUITES: Final = ("bullseye", "bookworm", "trixie", "testing")
SYSTEM: Final = "bookworm"  # what runs on all these kernels
KERNEL: Final = "linux-image-cloud-amd64"
# Those that ask the kernel most, and the recorder least.
TESTS: Final = tuple(
    f"tests/capture/test_{name}.py"
    for name in (
        "every_call", "exec", "bases", "paths", "moves", "uring", "seccomp", "restarted",
        "cold_pages", "cgroups", "isolation", "libraries", "losses",
    )
)  # fmt: skip

PACKAGES: Final = (
    "python3-bpfcc", "python3-seccomp", "python3-venv", "strace", "gcc", "gcc-multilib",
    "libc6-dev", "musl-tools", "liburing-dev", "git",
)  # fmt: skip
ENVIRONMENT: Final = CACHE.relative_to(CHECKOUT) / "environment"

# Without these there is no disk, and no overlayfs; in the order in which they are loaded. Those
# that a kernel package lacks are built in.
_MODULES: Final = (
    "virtio", "virtio_ring", "virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_pci",
    "virtio_blk", "overlay",
)  # fmt: skip
_KERNEL_PACKAGE: Final = re.compile(r"linux-(image|binary|modules)-\d")
_SLOWER: Final = 20  # emulation than the machine itself, at most
_DISK: Final = "6G"
_OUTCOMES: Final = ("passed", "skipped", "failed")


class KernelsError(Exception):
    """Something that is needed is missing or does not work."""


@dataclass(frozen=True, slots=True)
class Kernel:
    """An unpacked kernel package: the version, the image, the modules to load, in order."""

    version: str
    image: Path
    modules: list[Path]


@dataclass(frozen=True, slots=True)
class Test:
    """A test's outcome: ``passed``, ``skipped`` or ``failed``, and why."""

    file: str
    name: str
    outcome: str
    reason: str


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--suites", nargs="+", default=SUITES, metavar="SUITE")
    parser.add_argument("--tests", nargs="+", default=TESTS, metavar="TEST")
    parser.add_argument("--timeout", type=float, default=7200, help="seconds for one kernel")
    options = parser.parse_args()
    try:
        disk = make_disk(options.tests)
        outcomes = {}
        for suite in options.suites:
            kernel = fetch(suite)
            print(f"Linux {kernel.version} ({suite})", file=sys.stderr, flush=True)
            outcomes[kernel.version] = run(kernel, disk, CACHE / f"{suite}.log", options.timeout)
    except (KernelsError, subprocess.CalledProcessError) as error:
        sys.exit(f"test-kernels: {error}")
    print("\n".join([*table(outcomes), *reasons(outcomes)]))
    return int(any(test.outcome == "failed" for tests in outcomes.values() for test in tests))


def archive() -> str:
    """The address of the package archive that this machine's apt takes Debian from.

    Raises:
        KernelsError: it takes none.
    """
    release = platform.freedesktop_os_release().get("VERSION_CODENAME", "")
    command = ["apt-get", "indextargets", "--format", "$(REPO_URI)"]
    found = output([*command, "Created-By: Packages", f"Release: {release}"]).split()
    if not found:
        raise KernelsError(f"apt has no package archive for {release}: run apt-get update")
    return found[0]


def fetch(suite: str) -> Kernel:
    """Download and unpack the kernel of a Debian release.

    Raises:
        KernelsError: the package holds no kernel.
    """
    directory = CACHE / suite
    apt = private_apt(directory, suite)
    wanted = output([*apt, "install", "--print-uris", "-qq", "--no-install-recommends", KERNEL])
    files = [line.split()[1] for line in wanted.splitlines()]
    packages = [file.split("_")[0] for file in files if _KERNEL_PACKAGE.match(file)]
    unpacked = directory / packages[0]
    if not unpacked.exists():
        subprocess.run([*apt, "download", "-qq", *packages], cwd=directory, check=True)
        for package in directory.glob("*.deb"):
            subprocess.run(["dpkg-deb", "-x", package, unpacked], check=True)
            package.unlink()
    images = list(unpacked.rglob("vmlinuz*"))
    if not images:
        raise KernelsError(f"there is no kernel in {', '.join(packages)} of {suite}")
    version = next(file.split("_")[1].partition("-")[0] for file in files if packages[0] in file)
    found = {path.name.partition(".")[0]: path for path in unpacked.rglob("*.ko*")}
    return Kernel(version, images[0], [found[name] for name in _MODULES if name in found])


def private_apt(directory: Path, suite: str) -> list[str]:
    """``apt-get`` with sources, lists and a state of its own: this machine's stay as they are."""
    for name in ("parts", "lists/partial", "cache/archives/partial"):
        (directory / name).mkdir(parents=True, exist_ok=True)
    (directory / "sources.list").write_text(f"deb {archive()} {suite} main\n")
    (directory / "status").touch()
    settings = {
        "Dir::Etc::SourceList": directory / "sources.list",
        "Dir::Etc::SourceParts": directory / "parts",
        "Dir::State::Lists": directory / "lists",
        "Dir::State::Status": directory / "status",
        "Dir::Cache": directory / "cache",
        "APT::Sandbox::User": "root",
    }
    apt = [
        "apt-get",
        *(word for key, value in settings.items() for word in ("-o", f"{key}={value}")),
    ]
    subprocess.run([*apt, "update", "-qq"], check=True)
    return apt


def make_disk(tests: Sequence[str]) -> Path:
    """A disk with a small Debian, this checkout at its own place, and what to run."""
    system = CACHE / "system"
    stamp = system / "packages"
    if not stamp.exists() or stamp.read_text().split() != list(PACKAGES):
        shutil.rmtree(system, ignore_errors=True)
        include = f"--include={','.join(PACKAGES)}"
        command = ["debootstrap", "--variant=minbase", include, SYSTEM, str(system), archive()]
        subprocess.run(command, stdout=sys.stderr, check=True)
        stamp.write_text("\n".join(PACKAGES))
    shutil.copy(HERE / "tests.sh", system)
    (system / "tests.sh").chmod(0o755)
    (system / "tests.txt").write_text("\n".join(tests))
    place = system / CHECKOUT.relative_to("/")
    shutil.rmtree(place, ignore_errors=True)
    ignored = shutil.ignore_patterns(".*", "demo")
    shutil.copytree(CHECKOUT, place, symlinks=True, ignore=ignored)
    shutil.copytree(make_environment(), place / ENVIRONMENT, symlinks=True)
    disk = CACHE / "disk.ext4"
    disk.unlink(missing_ok=True)
    subprocess.run(["mke2fs", "-q", "-t", "ext4", "-d", system, disk, _DISK], check=True)
    return disk


def make_environment() -> Path:
    """A virtual environment with the recorder and pytest alone; the checkout's is much larger."""
    directory = CHECKOUT / ENVIRONMENT
    subprocess.run(
        ["/usr/bin/python3", "-m", "venv", "--system-site-packages", directory], check=True
    )
    pip = [
        str(directory / "bin/python"),
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
    ]
    wanted = [
        "--constraint",
        "constraints.txt",
        "--editable",
        ".[capture]",
        "pytest",
        "pytest-timeout",
    ]
    subprocess.run([*pip, *wanted], cwd=CHECKOUT, check=True)
    return directory


def make_initramfs(kernel: Kernel, directory: Path) -> Path:
    """An archive with busybox, the modules and ``boot.sh``."""
    shutil.rmtree(directory, ignore_errors=True)
    (directory / "bin").mkdir(parents=True)
    shutil.copy("/bin/busybox", directory / "bin")
    for name in ("sh", "insmod", "mkdir", "mount", "sleep", "switch_root", "["):
        (directory / "bin" / name).symlink_to("busybox")
    shutil.copy(HERE / "boot.sh", directory / "init")
    (directory / "init").chmod(0o755)
    (directory / "modules").mkdir()
    for number, module in enumerate(kernel.modules):
        data = module.read_bytes()
        plain = lzma.decompress(data) if module.suffix == ".xz" else data
        (directory / "modules" / f"{number}.ko").write_bytes(plain)
    names = "\n".join(str(path.relative_to(directory)) for path in sorted(directory.rglob("*")))
    image = directory.with_suffix(".cpio")
    with image.open("wb") as file:
        command = ["cpio", "--quiet", "-o", "-H", "newc"]
        subprocess.run(command, cwd=directory, input=names.encode(), stdout=file, check=True)
    return image


def run(kernel: Kernel, disk: Path, log: Path, timeout: float) -> list[Test]:
    """Boot a kernel, let it run the tests, and read their report; the disk stays as it is."""
    report = log.with_suffix(".xml")
    report.unlink(missing_ok=True)
    variables = {
        "CHECKOUT": CHECKOUT,
        "PYTHON": ENVIRONMENT / "bin/python",
        "SNOOP_PATIENCE": _SLOWER,
    }
    words = ["console=ttyS0", "panic=-1", "quiet", *(f"{k}={v}" for k, v in variables.items())]
    command: list[str | Path] = [
        "qemu-system-x86_64", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2",
        "-m", "2G", "-no-reboot", "-nographic", "-monitor", "none",
        "-kernel", kernel.image, "-initrd", make_initramfs(kernel, CACHE / "initramfs"),
        "-append", " ".join(words), "-drive", f"file={disk},format=raw,if=virtio,snapshot=on",
        "-serial", f"file:{log}", "-serial", f"file:{report}",
    ]  # fmt: skip
    try:
        subprocess.run(command, stdin=subprocess.DEVNULL, check=True, timeout=timeout)
    except subprocess.TimeoutExpired:
        return [Test("(all)", "", "failed", f"no end after {timeout:.0f} s: see {log}")]
    try:
        return list(read_report(report))
    except (OSError, ElementTree.ParseError):
        return [Test("(all)", "", "failed", f"no report: see {log}")]


def read_report(report: Path) -> Iterator[Test]:
    """The tests of a report in JUnit's format."""
    for case in ElementTree.parse(report).iter("testcase"):
        file = case.get("classname", "").rpartition(".")[2]
        bad = [child for child in case if child.tag in ("failure", "error", "skipped")]
        outcome = ("skipped" if bad[0].tag == "skipped" else "failed") if bad else "passed"
        reason = (bad[0].get("message") or "").splitlines()[:1] if bad else []
        yield Test(file, case.get("name", ""), outcome, "".join(reason))


def table(outcomes: Mapping[str, Sequence[Test]]) -> Iterator[str]:
    """A line for each file of tests, a column for each kernel."""
    files = sorted({test.file for tests in outcomes.values() for test in tests})
    rows = [["", *outcomes]]
    for file in files:
        rows.append([file, *(_cell(file, tests) for tests in outcomes.values())])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()


def _cell(file: str, tests: Iterable[Test]) -> str:
    counts = Counter(test.outcome for test in tests if test.file == file)
    return ", ".join(f"{counts[name]} {name}" for name in _OUTCOMES if counts[name]) or "-"


def reasons(outcomes: Mapping[str, Sequence[Test]]) -> Iterator[str]:
    """A line for each test that did not pass."""
    for version, tests in outcomes.items():
        for test in tests:
            if test.outcome != "passed":
                yield f"{version}: {test.file} {test.name} {test.outcome}: {test.reason}"


def output(command: Sequence[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


if __name__ == "__main__":
    sys.exit(main())
