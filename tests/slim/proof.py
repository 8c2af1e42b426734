# SPDX-License-Identifier: Apache-2.0
"""The proof: a service is recorded in a container, and its slimmed image answers the same."""

import subprocess
import sys
import time
import urllib.error
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.slim.containers import bundle, running
from tests.slim.services import Service, build, free_port, size

SNOOP_ANALYZE = str(Path(sys.executable).with_name("snoop-analyze"))
STARTING = 60  # seconds

Answers = dict[str, tuple[int, bytes]]


@dataclass(frozen=True)
class Recorded:
    """A service that was recorded: its root file system, its capture, what it answered."""

    service: Service
    directory: Path
    root: Path
    port: int
    capture: Path
    answers: Answers
    unrecorded: tuple[int, bytes]


@dataclass(frozen=True)
class Slimmed:
    """The slimmed service: sizes in bytes, what it answered, what the report said."""

    before: int
    after: int
    answers: Answers
    unrecorded: tuple[int, bytes] | None
    heading: str
    verdict: str


def record(service: Service, directory: Path) -> Recorded:
    """Build a service, record it under its workload, and ask for one page more, unrecorded."""
    port = free_port()
    root = build(service, directory / "root", port)
    subprocess.run(["cp", "-a", root, directory / "image"], check=True)
    capture = directory / "capture"
    with running(bundle(directory / "recorded", root, service.command), capture):
        answers = ask(service, port)
    with running(bundle(directory / "unrecorded", root, service.command), None):
        wait(service, port)
        unrecorded = service.ask(port, service.unrecorded[0])
    return Recorded(service, directory, directory / "image", port, capture, answers, unrecorded)


def slim(recorded: Recorded, *options: str) -> Slimmed:
    """Slim a recorded service and run it under the same workload.

    Raises:
        RuntimeError: the slimmed one does not run, or does not answer.
    """
    service, name = recorded.service, "-".join(("slim", *options)).replace("/", "_")
    archive = recorded.directory / f"{name}.tar"
    root = recorded.directory / name
    presets = [word for one in service.presets for word in ("--preset", one)]
    said = unused(recorded, *presets, "--strict", "--write", str(archive), *options)
    root.mkdir()
    subprocess.run(["tar", "-xpf", archive, "-C", root], check=True)
    after = size(root)
    try:
        with running(bundle(root.with_name(f"{name}-bundle"), root, service.command), None):
            answers = ask(service, recorded.port)
            unrecorded = try_to_ask(service, recorded.port, service.unrecorded[0])
    except subprocess.CalledProcessError as error:
        raise RuntimeError(f"the slimmed {service.name} does not run: {error}") from error
    verdict = unused(recorded, *presets, "--why", service.unrecorded[1], *options)
    return Slimmed(size(recorded.root), after, answers, unrecorded, said, verdict.splitlines()[-1])


def unused(recorded: Recorded, *options: str) -> str:
    """What ``snoop-analyze unused`` says."""
    words = [SNOOP_ANALYZE, "unused", str(recorded.capture), "--image", str(recorded.root)]
    done = subprocess.run([*words, *options], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return str(done.stdout)


def ask(service: Service, port: int, pages: Sequence[str] = ()) -> Answers:
    """What a service answers to its workload, twice over."""
    wait(service, port)
    pages = [*(pages or service.workload), *service.workload]
    return {page: service.ask(port, page) for page in pages}


def wait(service: Service, port: int) -> None:
    """Wait until a service answers.

    Raises:
        RuntimeError: it does not.
    """
    end = time.monotonic() + STARTING
    while time.monotonic() < end:
        try:
            service.ask(port, service.workload[0])
        except urllib.error.URLError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError(f"{service.name} does not answer")


def try_to_ask(service: Service, port: int, page: str) -> tuple[int, bytes] | None:
    """What a service answers; null if it breaks off."""
    try:
        return service.ask(port, page)
    except OSError:
        return None
