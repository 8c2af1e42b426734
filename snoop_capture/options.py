# SPDX-License-Identifier: Apache-2.0
"""The options of the recorder: each is defined here, once.

What records until it is stopped takes them from flags, variables or a file (settings.py); the
command line's help, docs/cli.md and ``--print-config`` follow from these definitions.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import click

from snoop_capture.limits import MAX_RING, MIN_RING, Limits, Retention, Rotation
from snoop_capture.quantities import (
    Address,
    Directory,
    Duration,
    ListenAddress,
    Pair,
    Size,
    duration_text,
    size_text,
)
from snoop_capture.settings import Setting, read_file

Command = Callable[..., None]

_DAY: Final = 86400.0
_YEAR: Final = 365 * _DAY
_LIMITS: Final = Limits()
_METRICS: Final = Address("127.0.0.1", 7667)

_RING_BUFFER_SIZE: Final[dict[str, Any]] = {
    "type": Size(MIN_RING, MAX_RING),
    "default": "16M",
    "help": "Memory between kernel and recorder, for all CPUs together.",
}
_FLUSH_INTERVAL: Final[dict[str, Any]] = {
    "type": Duration(0.01, 60),
    "default": duration_text(_LIMITS.flush),
    "help": "After how long events are on disk at the latest.",
}

ring_buffer_size: Final = click.option("--ring-buffer-size", show_default=True, **_RING_BUFFER_SIZE)
flush_interval: Final = click.option("--flush-interval", show_default=True, **_FLUSH_INTERVAL)


def _size(name: str, help: str, default: int | None, **bounds: Any) -> Setting:
    return Setting(
        [name], type=Size(**bounds), default=size_text(default), text=size_text, help=help
    )


def _duration(name: str, help: str, default: float | None, *bounds: Any) -> Setting:
    return Setting(
        [name],
        type=Duration(*bounds),
        default=duration_text(default),
        text=duration_text,
        help=help,
    )


def _what_is_written() -> list[Setting]:
    rotation, retention = Rotation(), Retention()
    return [
        Setting(
            ["-o", "--output"],
            type=Directory(),
            default="capture",
            help="Capture directory; the session becomes a directory in it.",
        ),
        Setting(["--ring-buffer-size"], text=size_text, **_RING_BUFFER_SIZE),
        Setting(["--flush-interval"], text=duration_text, **_FLUSH_INTERVAL),
        _size(
            "--rotate-size",
            "Seal a segment of this size and begin the next.",
            rotation.size,
            least=64 << 10,
        ),
        Setting(
            ["--rotate-rows"],
            type=click.IntRange(min=1),
            default=rotation.rows,
            help="Seal a segment of so many events.",
        ),
        _duration(
            "--rotate-interval",
            "Seal a segment so long after its first event.",
            rotation.seconds,
            1.0,
            _YEAR,
        ),
        _size(
            "--max-size",
            "Remove the oldest sealed segments where all together are larger.",
            retention.max_size,
            least=64 << 10,
            or_none=True,
        ),
        _duration(
            "--max-age",
            "Remove sealed segments whose last event is older.",
            retention.max_age,
            1.0,
            100 * _YEAR,
            True,
        ),
        _size(
            "--keep-free",
            "Remove the oldest sealed segments where less is free on the file system.",
            retention.keep_free,
            or_none=True,
        ),
        Setting(
            ["--keep-summary/--no-keep-summary"],
            default=retention.keep_summary,
            help="Keep the distinct accesses of segments that are removed.",
        ),
        _size(
            "--queue-size",
            "Memory for events that cannot be written for the time being.",
            _LIMITS.queue_bytes,
            least=1 << 20,
        ),
        _duration(
            "--shutdown-timeout",
            "After SIGTERM or SIGINT: how long the end may take.",
            10.0,
            0.0,
            3600.0,
        ),
    ]


def _how_it_tells() -> list[Setting]:
    return [
        Setting(
            ["--metrics-addr"],
            type=ListenAddress(),
            default=str(_METRICS),
            text=lambda address: str(address or ""),
            may_be_empty=True,
            help='Address for /metrics, /healthz and /readyz; :PORT for all, "" for none.',
        ),
        Setting(
            ["--log-level"],
            type=click.Choice(["debug", "info", "warning", "error"]),
            default="info",
            help="What is logged, from this level up.",
        ),
        Setting(
            ["--log-format"],
            type=click.Choice(["console", "json"]),
            default="console",
            help="Lines for people, or an object a line.",
        ),
    ]


def _whose_it_is() -> list[Setting]:
    return [
        Setting(["--pod-name"], variable="POD_NAME", help="Name of the pod."),
        Setting(["--namespace"], variable="POD_NAMESPACE", help="Its namespace."),
        Setting(["--node"], variable="NODE_NAME", help="Name of the node."),
        Setting(["--pod-uid"], variable="POD_UID", help="UID of the pod."),
        Setting(
            ["--label", "labels"],
            multiple=True,
            type=Pair(),
            metavar="NAME=VALUE",
            help="A label; repeat it. In the variable they are separated by spaces.",
        ),
        Setting(
            ["--labels-file"],
            type=click.Path(path_type=Path),
            help="Labels as the Downward API writes them.",
        ),
        Setting(
            ["--image", "images"],
            multiple=True,
            metavar="[CONTAINER=]REFERENCE",
            help="Image of a container, or of all; with @sha256:… its digest is known too.",
        ),
    ]


def _about_settings() -> list[click.Option]:
    return [
        click.Option(
            ["--config"],
            type=click.Path(path_type=Path),
            envvar="SNOOP_CONFIG",
            show_envvar=True,
            is_eager=True,
            expose_value=False,
            callback=read_file,
            metavar="FILE",
            help="Take settings from a YAML file; its keys are the options' names.",
        ),
        click.Option(
            ["--print-config"],
            is_flag=True,
            is_eager=True,
            help="Print the settings in effect and where each comes from, as such a file.",
        ),
    ]


def limits(options: Mapping[str, Any]) -> Limits:
    """What the options say of how much a recording may hold."""
    rotation = Rotation(options["rotate_size"], options["rotate_rows"], options["rotate_interval"])
    names = ("max_size", "max_age", "keep_free", "keep_summary")
    retention = Retention(**{name: options[name] for name in names})
    return Limits(options["flush_interval"], options["queue_size"], rotation, retention)


def recording_options(command: Command) -> Command:
    """What all commands have that record until they are stopped."""
    settings = [*_what_is_written(), *_how_it_tells(), *_whose_it_is()]
    return _added(command, [*settings, *_about_settings()])


def kubernetes_option(command: Command) -> Command:
    """What the recorder of a pod has besides."""
    return _added(
        command,
        [
            Setting(
                ["--kubernetes"],
                is_flag=True,
                help="Ask the API server for names, images and digests of the pod's containers.",
            )
        ],
    )


def _added(command: Command, options: list[Any]) -> Command:
    """The command with these options before its others, as decorators do it."""
    params: list[click.Parameter] = getattr(command, "__click_params__", [])
    command.__click_params__ = [*params, *reversed(options)]  # type: ignore[attr-defined]
    return command
