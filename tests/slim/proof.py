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
STARTING = 60.0  # seconds

Answers = dict[str, tuple[int, bytes]]


@dataclass(frozen=True)
class Recorded:
    """A service that was recorded: its root file system, its capture, what it answered.

    ``answers`` has the pages that are asked for later, too.
    """

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
    command = service.command_for(port)
    with running(bundle(directory / "recorded", root, command), capture):
        answers = ask(service, port)
    with running(bundle(directory / "unrecorded", root, command), None):
        answers |= ask(service, port, service.later)
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
    said = unused(recorded, *service.options, "--write", str(archive), *options)
    root.mkdir()
    subprocess.run(["tar", "-xpf", archive, "-C", root], check=True)
    after = size(root)
    try:
        command = service.command_for(recorded.port)
        with running(bundle(root.with_name(f"{name}-bundle"), root, command), None):
            answers = ask(service, recorded.port, service.later)
            unrecorded = try_to_ask(service, recorded.port, service.unrecorded[0])
    except subprocess.CalledProcessError as error:
        raise RuntimeError(f"the slimmed {service.name} does not run: {error}") from error
    verdict = unused(recorded, "--why", service.unrecorded[1], *options)
    return Slimmed(size(recorded.root), after, answers, unrecorded, said, verdict.splitlines()[-1])


def unused(recorded: Recorded, *options: str) -> str:
    """What ``snoop-analyze unused`` says."""
    words = [SNOOP_ANALYZE, "unused", str(recorded.capture), "--image", str(recorded.root)]
    words += [word for one in recorded.service.presets for word in ("--preset", one)]
    if recorded.service.policy:
        policy = recorded.directory / "policy.yaml"
        policy.write_text(recorded.service.policy)
        words += ["--policy", str(policy)]
    done = subprocess.run([*words, *options], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return str(done.stdout)


def ask(service: Service, port: int, later: Sequence[str] = ()) -> Answers:
    """What a service answers to its workload, twice over, then to pages asked for later."""
    wait(service, port)
    pages = [*service.workload, *service.workload, *later]
    return {page: service.ask(port, page) for page in pages}


def is_broken(recorded: Recorded, rule: str, waiting: float = 10) -> bool:
    """Whether a service does not run, or answers something else, without a closure rule."""
    global STARTING
    before, STARTING = STARTING, waiting
    try:
        return slim(recorded, "--without-rule", rule).answers != recorded.answers
    except (RuntimeError, OSError):  # it does not start, or breaks off
        return True
    finally:
        STARTING = before


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
