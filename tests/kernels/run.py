# SPDX-License-Identifier: Apache-2.0
"""Runs the recorder's tests on the kernels of Debian's releases, in QEMU without KVM.

    make test-kernels [KERNELS="bookworm trixie"] [ARCH=arm64] [TESTS=tests/capture/test_exec.py]

Needs root (to make a disk with files of root's), and the packages that the Makefile names. Kernels
and a small Debian with this checkout in it come from the package archive that this machine's own
apt uses; all of it stays in ``.kernels``. A run takes some minutes a kernel. Prints a table of
kernels and tests; the whole output of each kernel is in ``.kernels/ARCH/SUITE.log``. Exit code 1:
a test failed.
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
# Those that ask the kernel most, and the recorder least.
TESTS: Final = tuple(
    f"tests/capture/test_{name}.py"
    for name in (
        "every_call", "exec", "bases", "paths", "moves", "uring", "seccomp", "restarted",
        "cold_pages", "cgroups", "isolation", "libraries", "losses",
    )
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Machine:
    """An architecture by its name in Debian: who emulates it, what its Python packages are."""

    emulator: list[str]
    console: str
    wheels: str
    packages: list[str]


_PACKAGES: Final = [
    "bash", "busybox-static", "coreutils", "dash", "findutils", "gcc", "git", "grep", "gzip",
    "libc6-dev", "liburing-dev", "mount", "musl-tools", "python3", "python3-bpfcc",
    "python3-seccomp", "sed", "strace", "tar", "tzdata", "util-linux",
]  # fmt: skip
MACHINES: Final = {
    "amd64": Machine(
        ["qemu-system-x86_64", "-cpu", "max"],
        "ttyS0",
        "manylinux_2_28_x86_64",
        [*_PACKAGES, "gcc-multilib"],
    ),
    "arm64": Machine(
        ["qemu-system-aarch64", "-machine", "virt", "-cpu", "max,pauth-impdef=on"],
        "ttyAMA0",
        "manylinux_2_28_aarch64",
        _PACKAGES,
    ),
}
_PYTHON: Final = "3.11"  # of SYSTEM

# Without these there is no disk, and no overlayfs; in the order in which they are loaded. Those
# that a kernel package lacks are built in.
_MODULES: Final = (
    "virtio", "virtio_ring", "virtio_pci_legacy_dev", "virtio_pci_modern_dev", "virtio_pci",
    "virtio_blk", "overlay",
)  # fmt: skip
_KERNEL_PACKAGE: Final = re.compile(r"linux-(image|binary|modules)-\d")
_SLOWER: Final = 20  # emulation than the machine itself, at most
_DISK: Final = "6G"
_REPORT_BYTES: Final = 16 << 20
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
    parser.add_argument("--arch", choices=MACHINES, default="amd64")
    parser.add_argument("--suites", nargs="+", default=SUITES, metavar="SUITE")
    parser.add_argument("--tests", nargs="+", default=TESTS, metavar="TEST")
    parser.add_argument("--timeout", type=float, default=7200, help="seconds for one kernel")
    options = parser.parse_args()
    try:
        disk = make_disk(options.arch, options.tests)
        outcomes = {}
        for suite in options.suites:
            kernel = fetch(options.arch, suite)
            name = f"{kernel.version} {options.arch}"
            print(f"Linux {name} ({suite})", file=sys.stderr, flush=True)
            log = CACHE / options.arch / f"{suite}.log"
            outcomes[name] = run(MACHINES[options.arch], kernel, disk, log, options.timeout)
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


class PrivateApt:
    """apt with sources, lists and a state of its own: this machine's stay as they are."""

    def __init__(self, directory: Path, arch: str, suite: str) -> None:
        self.directory = directory
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
            "APT::Architecture": arch,
            "APT::Architectures": arch,
            "APT::Sandbox::User": "root",
        }
        self._apt = ["apt-get", "-qq"]
        self._apt += [word for key, value in settings.items() for word in ("-o", f"{key}={value}")]
        subprocess.run([*self._apt, "update"], check=True)

    def closure(self, packages: Sequence[str]) -> list[str]:
        """File names, NAME_VERSION_ARCH.deb, of the packages and all that they depend on."""
        more = ["install", "--print-uris", "--no-install-recommends"]
        lines = output([*self._apt, *more, *packages]).splitlines()
        return [line.split()[1] for line in lines]

    def unpack(self, files: Sequence[str], target: Path) -> None:
        """Download packages of a closure, and unpack them over each other."""
        names = [file.split("_")[0] for file in files]
        subprocess.run([*self._apt, "download", *names], cwd=self.directory, check=True)
        target.mkdir(parents=True, exist_ok=True)
        for package in sorted(self.directory.glob("*.deb")):
            tar = subprocess.run(
                ["dpkg-deb", "--fsys-tarfile", package], capture_output=True, check=True
            )
            unpack = ["tar", "-x", "--keep-directory-symlink", "-C", str(target)]
            subprocess.run(unpack, input=tar.stdout, check=True)
            package.unlink()


def fetch(arch: str, suite: str) -> Kernel:
    """Download and unpack the kernel of a Debian release.

    Raises:
        KernelsError: the package holds no kernel.
    """
    directory = CACHE / arch / suite
    apt = PrivateApt(directory, arch, suite)
    files = [f for f in apt.closure([f"linux-image-cloud-{arch}"]) if _KERNEL_PACKAGE.match(f)]
    name, version, _ = files[0].split("_")
    unpacked = directory / name
    if not unpacked.exists():
        apt.unpack(files, unpacked)
    images = list(unpacked.rglob("vmlinuz*"))
    if not images:
        raise KernelsError(f"there is no kernel in {', '.join(files)} of {suite}")
    found = {path.name.partition(".")[0]: path for path in unpacked.rglob("*.ko*")}
    modules = [found[module] for module in _MODULES if module in found]
    return Kernel(version.partition("-")[0], images[0], modules)


def make_disk(arch: str, tests: Sequence[str]) -> Path:
    """A disk with a small Debian, this checkout at its own place, and what to run."""
    system = CACHE / arch / "system"
    wanted = "\n".join(MACHINES[arch].packages)
    stamp = system / "packages"
    if not stamp.exists() or stamp.read_text() != wanted:
        shutil.rmtree(system, ignore_errors=True)
        make_system(arch, system)
        stamp.write_text(wanted)
    shutil.copy(HERE / "tests.sh", system)
    (system / "tests.sh").chmod(0o755)
    (system / "tests.txt").write_text("\n".join(tests))
    place = system / CHECKOUT.relative_to("/")
    shutil.rmtree(place, ignore_errors=True)
    ignored = shutil.ignore_patterns(".*", "demo")
    shutil.copytree(CHECKOUT, place, symlinks=True, ignore=ignored)
    disk = CACHE / arch / "disk.ext4"
    disk.unlink(missing_ok=True)
    subprocess.run(["mke2fs", "-q", "-t", "ext4", "-d", system, disk, _DISK], check=True)
    return disk


def make_system(arch: str, system: Path) -> None:
    """Unpacked packages, of Debian and of Python; none of them is configured."""
    machine = MACHINES[arch]
    for name in ("bin", "sbin", "lib", "lib64"):
        (system / "usr" / name).mkdir(parents=True)
        (system / name).symlink_to(f"usr/{name}")
    apt = PrivateApt(CACHE / arch / "apt", arch, SYSTEM)
    apt.unpack(apt.closure(machine.packages), system)
    for name in ("dev", "proc", "root", "run", "sys", "tmp"):
        (system / name).mkdir(exist_ok=True)
    (system / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/sh\n")
    (system / "etc/group").write_text("root:x:0:\n")
    (system / "etc/hostname").write_text("debian\n")
    target = system / f"usr/local/lib/python{_PYTHON}/dist-packages"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    pip += ["--only-binary", ":all:", "--platform", machine.wheels, "--python-version", _PYTHON]
    pip += ["--constraint", "constraints.txt", "--target", str(target)]
    needed = ["click", "numpy", "pyarrow", "pytest", "pytest-timeout"]
    subprocess.run([*pip, *needed], cwd=CHECKOUT, check=True)
    program = system / "usr/bin/snoop-capture"
    program.write_text(
        "#!/usr/bin/python3\nimport sys\n\nfrom snoop_capture.cli import main\n\nsys.exit(main())\n"
    )
    program.chmod(0o755)


def make_initramfs(kernel: Kernel, busybox: Path, directory: Path) -> Path:
    """An archive with busybox, the modules and ``boot.sh``."""
    shutil.rmtree(directory, ignore_errors=True)
    (directory / "bin").mkdir(parents=True)
    shutil.copy(busybox, directory / "bin")
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


def run(machine: Machine, kernel: Kernel, disk: Path, log: Path, timeout: float) -> list[Test]:
    """Boot a kernel, let it run the tests, and read their report; the disk stays as it is."""
    report = log.with_suffix(".report")
    report.write_bytes(bytes(_REPORT_BYTES))
    busybox = disk.parent / "system/usr/bin/busybox"
    initramfs = make_initramfs(kernel, busybox, disk.parent / "initramfs")
    variables = f"CHECKOUT={CHECKOUT} SNOOP_PATIENCE={_SLOWER}"
    command: list[str | Path] = [
        *machine.emulator, "-accel", "tcg,thread=multi", "-smp", "2", "-m", "2G", "-net", "none",
        "-no-reboot", "-nographic", "-monitor", "none", "-serial", f"file:{log}",
        "-kernel", kernel.image, "-initrd", initramfs,
        "-append", f"console={machine.console} panic=-1 quiet {variables}",
        "-drive", f"file={disk},format=raw,if=virtio,snapshot=on",
        "-drive", f"file={report},format=raw,if=virtio",
    ]  # fmt: skip
    try:
        subprocess.run(command, stdin=subprocess.DEVNULL, check=True, timeout=timeout)
    except subprocess.TimeoutExpired:
        return [Test("(all)", "", "failed", f"no end after {timeout:.0f} s: see {log}")]
    try:
        return list(read_report(report))
    except ElementTree.ParseError:
        return [Test("(all)", "", "failed", f"no report: see {log}")]


def read_report(report: Path) -> Iterator[Test]:
    """The tests of a report in JUnit's format, with zeros behind it."""
    for case in ElementTree.fromstring(report.read_bytes().rstrip(b"\0")).iter("testcase"):
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
