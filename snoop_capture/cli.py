# SPDX-License-Identifier: Apache-2.0
"""The command line of the recorder."""

import logging
import os
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
from click.core import ParameterSource

from snoop_capture.errors import CaptureError
from snoop_capture.loading import Loader
from snoop_capture.memory import load_libraries, refuse_heavy
from snoop_capture.options import (
    flush_interval,
    kubernetes_option,
    limits,
    recording_options,
    ring_buffer_size,
)
from snoop_capture.quantities import Directory
from snoop_capture.settings import Named, SettingsCommand, unknown_variables

if TYPE_CHECKING:  # what is needed is imported when it is needed: --help shall come at once
    from snoop_capture.identity import Identity
    from snoop_capture.kubernetes import ApiServer
    from snoop_capture.observer import Observer
    from snoop_capture.service import Ended
    from snoop_capture.targets import Target

_PROBLEM: Final = 1

_log = logging.getLogger(__name__)


@click.group(
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="\b\nExample:\n"
    "  snoop-capture run -o capture -- python3 -c 'import json'\n"
    "  snoop-analyze capture",
)
@click.version_option(package_name="snoop-toolkit", prog_name="snoop-capture")
def cli() -> None:
    """Record which files a program uses."""


# Options end where the command begins: what follows is the command's, also without "--".
@cli.command(
    context_settings={"allow_interspersed_args": False},
    epilog="\b\nExample:\n  snoop-capture run -o capture -- tar -czf /tmp/etc.tar.gz /etc",
)
@click.option(
    "-o",
    "--output",
    type=Directory(),
    help="Capture directory.  [default: capture-DATE-TIME]",
)
@click.option("--force", is_flag=True, help="Replace the capture in the directory.")
@ring_buffer_size
@flush_interval
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED, metavar="-- COMMAND...")
def run(
    output: Path | None,
    force: bool,
    ring_buffer_size: int,
    flush_interval: float,
    command: tuple[str, ...],
) -> None:
    """Record COMMAND and everything it starts, from its first file to its last.

    Exits with COMMAND's exit code; 127 if there is no such command, 126 if it cannot be executed;
    1 if the capture lacks events that the disk could not take.
    """
    with Loader() as loader:
        load_libraries()
        from snoop_capture import logs
        from snoop_capture.clients import warning
        from snoop_capture.limits import Limits
        from snoop_capture.run import run as record

        logs.set_up("warning", logs.CONSOLE)
        if said := warning(command):
            _say(said)
        capture = output or Path(datetime.now().strftime("capture-%Y%m%d-%H%M%S"))
        outcome = record(
            command,
            capture,
            force=force,
            ring_bytes=ring_buffer_size,
            limits=Limits(flush=flush_interval),
            loader=loader,
        )
    for line in filter(None, (outcome.warning, str(outcome))):
        _say(line)
    sys.exit(_PROBLEM if outcome.lacks else outcome.code)


def _say(sentence: str) -> None:
    """Say something on standard error; where nobody takes it, the exit code alone tells."""
    try:
        click.echo(f"snoop-capture: {sentence}", err=True)
    except OSError:
        # Else the interpreter tries again at its end, and makes it the exit code.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stderr.fileno())


@cli.command(epilog="\b\nExample:\n  snoop-capture check -o /var/lib/snoop")
@click.option(
    "-o",
    "--output",
    type=Directory(),
    default=".",
    help="Where captures shall go: is it writable, how much space is there?",
)
@click.option("--pod", is_flag=True, help="Look for the own pod, too.")
def check(output: Path, pod: bool) -> None:
    """Say what this machine offers for recording, and what to do about what it lacks.

    Exits with 0 only if recording would work: an event was seen.
    """
    from snoop_capture.check import NO, findings

    possible = True
    for finding in findings(output, pod):
        click.echo(str(finding))
        possible &= finding.state != NO
    sys.exit(0 if possible else _PROBLEM)


@cli.command(
    cls=SettingsCommand, epilog="\b\nExample:\n  snoop-capture pod -o /capture --kubernetes"
)
@recording_options
@kubernetes_option
def pod(kubernetes: bool, **options: Any) -> None:
    """Record the pod that this runs in: all its containers but this one.

    Containers that start later, or again, are recorded from their first event. Ends with SIGTERM.
    """
    from snoop_capture.targets import pod_target

    _record(lambda: pod_target(options["pod_uid"]), kubernetes, **options)


@cli.command(
    cls=SettingsCommand, epilog="\b\nExample:\n  snoop-capture container -o capture 4f1c2a"
)
@recording_options
@click.argument("ids", cls=Named, nargs=-1, required=True, metavar="ID...")
def container(ids: tuple[str, ...], **options: Any) -> None:
    """Record containers of this node: docker, podman, containerd, CRI-O.

    ID is a container's id, or the beginning of it. Ends with SIGTERM or SIGINT, or when all of
    them have been removed.
    """
    from snoop_capture.targets import container_target

    _record(lambda: container_target(ids), **options)


@cli.command(
    cls=SettingsCommand,
    epilog="\b\nExample:\n  snoop-capture cgroup -o capture /system.slice/nginx.service",
)
@recording_options
@click.argument(
    "paths", cls=Named, nargs=-1, required=True, type=click.Path(path_type=Path), metavar="PATH..."
)
def cgroup(paths: tuple[Path, ...], **options: Any) -> None:
    """Record cgroups, with all below them.

    PATH is a directory of the cgroup tree, or a path as /proc/PID/cgroup shows it. Ends with
    SIGTERM or SIGINT, or when all of them have been removed.
    """
    from snoop_capture.targets import cgroup_target

    _record(lambda: cgroup_target(paths), **options)


def _record(find: Callable[[], "Target"], kubernetes: bool = False, **options: Any) -> None:
    """Record until something ends it; what is said is logged, the last line too."""
    from snoop_capture import logs

    logs.set_up(options["log_level"], options["log_format"])
    command = click.get_current_context().command
    assert isinstance(command, SettingsCommand)
    for said in unknown_variables(command):
        _log.warning("%s", said)
    try:
        with Loader() as loader:
            ended = _recorded(find, loader, kubernetes, **options)
    except CaptureError as error:
        _log.error("%s", error)
        sys.exit(_PROBLEM)
    level = logging.WARNING if ended.totals.losses else logging.INFO
    _log.log(level, "%s", ended, extra=ended.fields())
    if ended.totals.unfinished:
        _log.error("the capture %s ends early: %s", ended.session, ended.totals.unfinished)
        logging.shutdown()
        os._exit(_PROBLEM)  # not held up by threads that wait for a disk


def _recorded(
    find: Callable[[], "Target"], loader: Loader, kubernetes: bool, **options: Any
) -> "Ended":
    load_libraries()
    from snoop_capture import identity
    from snoop_capture.check import require
    from snoop_capture.service import Recording, record

    require()
    labels = identity.labels_from(options["labels_file"]) if options["labels_file"] else {}
    who = identity.Identity(
        **{name: options[name] for name in ("pod_name", "namespace", "node", "pod_uid")},
        labels=labels | identity.pairs(options["labels"]),
        images=identity.images_from(options["images"]),
    )
    api_server = _api_server(who) if kubernetes else None
    recording = Recording(
        target=find(),
        capture=options["output"],
        ring_bytes=options["ring_buffer_size"],
        limits=limits(options),
        shutdown_timeout=options["shutdown_timeout"],
        identity=who,
        api_server=api_server,
        observer=_observer(options),
    )
    return record(recording, loader)


def _observer(options: dict[str, Any]) -> "Observer":
    """What tells of the recording; nothing where another program has the default port."""
    from snoop_capture.observer import Observer

    if options["metrics_addr"] is None:
        return Observer()
    from snoop_capture.telemetry import Telemetry

    try:
        return Telemetry(options["metrics_addr"], options["output"], options["flush_interval"])
    except CaptureError as error:
        source = click.get_current_context().get_parameter_source("metrics_addr")
        if source is not ParameterSource.DEFAULT:
            raise
        _log.warning("there are no metrics: %s", error)
        return Observer()


def _api_server(who: "Identity") -> "ApiServer":
    from snoop_capture.kubernetes import ApiServer

    if not (who.namespace and who.pod_name):
        raise CaptureError(
            "--kubernetes needs the pod's name and namespace: give --pod-name and --namespace, "
            "or POD_NAME and POD_NAMESPACE from the Downward API"
        )
    return ApiServer.of_pod()


def _occupy_standard_streams() -> None:
    """Have no file take the place of a standard stream that is closed: children mix them up."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(descriptor)


def main() -> None:
    """Entry point; prints what stops a recording as one sentence."""
    _occupy_standard_streams()
    refuse_heavy()
    try:
        cli()
    except CaptureError as error:
        _say(str(error))
        sys.exit(getattr(error, "code", _PROBLEM))
    except OSError as error:  # too few descriptors, no memory
        _say(f"{error.filename or 'cannot go on'}: {error.strerror}")
        sys.exit(_PROBLEM)
