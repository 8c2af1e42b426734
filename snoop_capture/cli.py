# SPDX-License-Identifier: Apache-2.0
"""The command line of the recorder."""

import math
import re
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from snoop_capture.errors import CaptureError
from snoop_capture.memory import refuse_pandas

if TYPE_CHECKING:  # what is needed is imported when it is needed: --help shall come at once
    from snoop_capture.identity import Identity
    from snoop_capture.kubernetes import ApiServer
    from snoop_capture.targets import Target

_UNITS: Final = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}
_SIZE: Final = re.compile(r"\s*([0-9]+)([KMG]?)(?:I?B)?\s*")
_PROBLEM: Final = 1


class Size(click.ParamType[int]):
    """A number of bytes, with K, M or G for powers of 1024."""

    name = "size"

    def convert(
        self, value: str | int, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """``"16M"`` → 16777216."""
        if isinstance(value, int):
            return value
        size = _SIZE.fullmatch(value.upper())
        if size is None:
            self.fail(
                f"{value!r} is not a size; give bytes, or for example 512K, 16M, 1G", param, ctx
            )
        return int(size[1]) * _UNITS[size[2]]


class Seconds(click.FloatRange):
    """A time in seconds within bounds; click's range lets ``nan`` through."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """``"0.5"`` → 0.5."""
        seconds = float(super().convert(value, param, ctx))
        if math.isnan(seconds):
            self.fail(f"{value!r} is not a number of seconds", param, ctx)
        return seconds


_RING_BUFFER_SIZE: Final = click.option(
    "--ring-buffer-size",
    type=Size(),
    default="16M",
    show_default=True,
    help="Memory between kernel and recorder, for all CPUs together.",
)
_FLUSH_INTERVAL: Final = click.option(
    "--flush-interval",
    type=Seconds(0.01, 60),
    default=1.0,
    show_default=True,
    help="Seconds after which events are on disk at the latest.",
)


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
    type=click.Path(path_type=Path, file_okay=False),
    help="Capture directory.  [default: capture-DATE-TIME]",
)
@click.option("--force", is_flag=True, help="Replace the capture in the directory.")
@_RING_BUFFER_SIZE
@_FLUSH_INTERVAL
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED, metavar="-- COMMAND...")
def run(
    output: Path | None,
    force: bool,
    ring_buffer_size: int,
    flush_interval: float,
    command: tuple[str, ...],
) -> None:
    """Record COMMAND and everything it starts, from its first file to its last.

    Exits with COMMAND's exit code; 127 if there is no such command, 126 if it cannot be executed.
    """
    from snoop_capture.clients import warning
    from snoop_capture.limits import Limits
    from snoop_capture.run import run as record

    if said := warning(command):
        click.echo(f"snoop-capture: {said}", err=True)
    capture = output or Path(datetime.now().strftime("capture-%Y%m%d-%H%M%S"))
    limits = Limits(flush=flush_interval)
    outcome = record(command, capture, force=force, ring_bytes=ring_buffer_size, limits=limits)
    click.echo(f"snoop-capture: {outcome}", err=True)
    sys.exit(outcome.code)


@cli.command(epilog="\b\nExample:\n  snoop-capture check -o /var/lib/snoop")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
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


def _recording_options(command: Callable[..., None]) -> Callable[..., None]:
    """The options that all commands have which record until they are stopped."""
    options = [
        click.option(
            "-o",
            "--output",
            type=click.Path(path_type=Path, file_okay=False),
            default="capture",
            show_default=True,
            envvar="SNOOP_OUTPUT",
            help="Capture directory; the session becomes a directory in it.",
        ),
        _RING_BUFFER_SIZE,
        _FLUSH_INTERVAL,
        click.option("--pod-name", envvar="POD_NAME", help="Name of the pod."),
        click.option("--namespace", envvar="POD_NAMESPACE", help="Its namespace."),
        click.option("--node", envvar="NODE_NAME", help="Name of the node."),
        click.option("--pod-uid", envvar="POD_UID", help="UID of the pod."),
        click.option("--label", "labels", multiple=True, metavar="NAME=VALUE", help="A label."),
        click.option(
            "--labels-file",
            type=click.Path(path_type=Path),
            envvar="SNOOP_LABELS_FILE",
            help="Labels as the Downward API writes them.",
        ),
        click.option(
            "--image",
            "images",
            multiple=True,
            envvar="SNOOP_IMAGE",
            metavar="[CONTAINER=]REFERENCE",
            help="Image of a container, or of all; with @sha256:… its digest is known too.",
        ),
    ]
    for option in reversed(options):
        command = option(command)
    return command


@cli.command(epilog="\b\nExample:\n  snoop-capture pod -o /capture --kubernetes")
@_recording_options
@click.option(
    "--kubernetes",
    is_flag=True,
    envvar="SNOOP_KUBERNETES",
    help="Ask the API server for names, images and digests of the pod's containers.",
)
def pod(kubernetes: bool, **options: Any) -> None:
    """Record the pod that this runs in: all its containers but this one.

    Containers that start later, or again, are recorded from their first event. Ends with SIGTERM.
    """
    from snoop_capture.targets import pod_target

    _record(lambda: pod_target(options["pod_uid"]), kubernetes, **options)


@cli.command(epilog="\b\nExample:\n  snoop-capture container -o capture 4f1c2a")
@_recording_options
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
def container(ids: tuple[str, ...], **options: Any) -> None:
    """Record containers of this node: docker, podman, containerd, CRI-O.

    ID is a container's id, or the beginning of it. Ends with SIGTERM or SIGINT.
    """
    from snoop_capture.targets import container_target

    _record(lambda: container_target(ids), **options)


@cli.command(epilog="\b\nExample:\n  snoop-capture cgroup -o capture /system.slice/nginx.service")
@_recording_options
@click.argument(
    "paths", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="PATH..."
)
def cgroup(paths: tuple[Path, ...], **options: Any) -> None:
    """Record cgroups, with all below them.

    PATH is a directory of the cgroup tree, or a path as /proc/PID/cgroup shows it. Ends with
    SIGTERM or SIGINT.
    """
    from snoop_capture.targets import cgroup_target

    _record(lambda: cgroup_target(paths), **options)


def _record(find: Callable[[], "Target"], kubernetes: bool = False, **options: Any) -> None:
    from snoop_capture.confinement import avoid_threads

    avoid_threads()  # before anything imports NumPy or Arrow
    from snoop_capture import identity
    from snoop_capture.check import require
    from snoop_capture.limits import Limits
    from snoop_capture.service import Recording, record

    require()
    labels = identity.labels_from(options["labels_file"]) if options["labels_file"] else {}
    who = identity.Identity(
        **{name: options[name] for name in ("pod_name", "namespace", "node", "pod_uid")},
        labels=labels | identity.pairs(options["labels"], "--label"),
        images=identity.images_from(options["images"]),
    )
    api_server = _api_server(who) if kubernetes else None
    recording = Recording(
        target=find(),
        capture=options["output"],
        ring_bytes=options["ring_buffer_size"],
        limits=Limits(flush=options["flush_interval"]),
        identity=who,
        api_server=api_server,
    )
    click.echo(f"snoop-capture: {record(recording)}", err=True)


def _api_server(who: "Identity") -> "ApiServer":
    from snoop_capture.kubernetes import ApiServer

    if not (who.namespace and who.pod_name):
        raise CaptureError(
            "--kubernetes needs the pod's name and namespace: give --pod-name and --namespace, "
            "or POD_NAME and POD_NAMESPACE from the Downward API"
        )
    return ApiServer.of_pod()


def main() -> None:
    """Entry point; prints what stops a recording as one sentence."""
    refuse_pandas()
    try:
        cli()
    except CaptureError as error:
        click.echo(f"snoop-capture: {error}", err=True)
        sys.exit(getattr(error, "code", _PROBLEM))
