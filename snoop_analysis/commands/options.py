# SPDX-License-Identifier: Apache-2.0
"""Options and arguments that several commands share."""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from snoop_analysis.errors import ChangedError, OptionError
from snoop_analysis.profiles import GO_SNOOP, PROFILES
from snoop_analysis.terminal import printable

if TYPE_CHECKING:
    from snoop_analysis.capture import Capture
    from snoop_analysis.replay import Replay

Command = TypeVar("Command", bound=Callable[..., Any])
DEFAULT_EXCLUDE: Final = "/proc/,/sys/,/dev/"
INCOMPLETE: Final = 3
_TRIES: Final = 5


def read_config(context: click.Context, _: click.Parameter, path: Path | None) -> None:
    """Take the values of a TOML file, by the options' names without dashes, as defaults.

    Raises:
        OptionError: it is no TOML, names an option the command does not have, or has a value for
            one that cannot be given on the command line.
    """
    if path is None:
        return
    try:
        said = tomllib.loads(path.read_text(encoding="utf-8"))
    except RecursionError as error:
        raise OptionError(f"{path} is nested too deeply") from error
    except ValueError as error:
        raise OptionError(f"{path} is not TOML: {error}") from error
    options = {
        name.removeprefix("--"): option
        for option in context.command.params
        if isinstance(option, click.Option) and option.expose_value
        for name in option.opts
        if name.startswith("--")
    }
    unknown = sorted(set(said) - set(options))
    if unknown:
        raise OptionError(f"{path} sets {unknown[0]!r}, which is no option of this command")
    context.default_map = {}
    for name, value in said.items():
        try:
            context.default_map[str(options[name].name)] = _as_typed(options[name], value)
        except TypeError as error:
            raise OptionError(f"{path} sets {name} to {value!r}: write {error}") from None


def _as_typed(option: click.Option, value: object) -> object:
    """A value of TOML as click takes it from the command line.

    Raises:
        TypeError: the option has no such values; the message says which it has.
    """
    if option.is_flag:
        if not isinstance(value, bool):
            raise TypeError("true or false")
        return value
    lists = option.multiple + (option.nargs > 1)
    return _texts([value] if lists == 1 and not isinstance(value, list) else value, lists)


def _texts(value: object, lists: int) -> object:
    """A text or a number as text; lists of such, if there are to be ``lists`` in each other."""
    if lists:
        if not isinstance(value, list):
            raise TypeError("a list")
        return [_texts(one, lists - 1) for one in value]
    if isinstance(value, bool | list | dict):
        raise TypeError("a text or a number")
    return str(value)


def _options(*options: Callable[[Command], Command]) -> Callable[[Command], Command]:
    def add(command: Command) -> Command:
        for option in reversed(options):
            command = option(command)
        return command

    return add


capture_options: Final = _options(
    click.option(
        "--skip-damaged",
        is_flag=True,
        help="Go on without what is damaged or missing, and say what was left out.",
    ),
    click.option(
        "--memory-limit",
        metavar="SIZE",
        default="1500MB",
        show_default=True,
        help="Memory for queries, at least 32MiB; what does not fit goes to the directory for "
        "temporary files.",
    ),
    click.option(
        "--config",
        type=click.Path(path_type=Path, exists=True, dir_okay=False),
        is_eager=True,
        expose_value=False,
        callback=read_config,
        metavar="FILE",
        help="Take options from a TOML file: max-unique-files = 1000",
    ),
)

capture_arguments: Final = _options(
    click.argument("captures", metavar="CAPTURE...", nargs=-1, required=True), capture_options
)

part_options: Final = _options(
    click.option(
        "--container",
        "containers",
        multiple=True,
        metavar="NAME",
        help="Take events of this container alone, by a name it had or a cgroup id; repeat it.",
    ),
    click.option("--since", metavar="TIME", help="Take events from this time on (RFC 3339)."),
    click.option("--until", metavar="TIME", help="Take events before this time."),
)

_bound_option: Final = click.option(
    "--max-unique-files",
    type=click.IntRange(min=0),
    metavar="N",
    default=0,
    show_default=True,
    help="Keep the N files used last in each container; 0: all.",
)


def _replay(bounded: bool) -> Callable[[Command], Command]:
    of_profile = f"{len(PROFILES[GO_SNOOP].syscalls)} system calls"
    if bounded:
        of_profile += f" and its bound of {PROFILES[GO_SNOOP].max_unique_files:,} files"
    return _options(
        click.option(
            "--exclude",
            multiple=True,
            metavar="PREFIX",
            default=[DEFAULT_EXCLUDE],
            show_default=True,
            help='Leave out files whose path starts so; repeat it or use commas, "" for none.',
        ),
        *([_bound_option] if bounded else []),
        click.option(
            "--profile",
            type=click.Choice(list(PROFILES)),
            help=f"Replay as another program did: {GO_SNOOP} takes its {of_profile}.",
        ),
        click.option(
            "--syscall",
            "syscalls",
            multiple=True,
            metavar="NAME",
            help="Take events of this call alone; repeat it or use commas.",
        ),
        part_options,
        click.option("--found-only", is_flag=True, help="Take calls alone that succeeded."),
    )


replay_options: Final = _replay(bounded=True)
unbounded_replay_options: Final = _replay(bounded=False)


def _image(required: bool) -> Callable[[Command], Command]:
    return _options(
        click.option(
            "--image",
            required=required,
            metavar="IMAGE",
            help="A root directory, what docker save wrote, an OCI layout (directory or tar), or a "
            "tar archive of a root directory; tar archives may be compressed.",
        ),
        click.option("--reference", metavar="NAME", help="The image's name, if there are several."),
        click.option(
            "--platform", metavar="NAME", help="linux/arm64 for one, if there are several."
        ),
    )


image_options: Final = _image(required=True)
optional_image_options: Final = _image(required=False)


def check_image_options(image: str | None, reference: str | None, platform: str | None) -> None:
    """Refuse to choose from an image that is not given.

    Raises:
        UsageError: that is asked for.
    """
    if image is None and (reference or platform) is not None:
        raise click.UsageError(
            "--reference and --platform need --image IMAGE, of which they choose"
        )


def refuse_standard_output(option: str, *paths: Path | None) -> None:
    """Refuse ``-`` as the name of what ``option`` writes.

    Raises:
        OptionError: it is one of ``paths``.
    """
    if Path("-") in paths:
        raise OptionError(
            f"{option} needs the name of a file: it does not write to standard output"
        )


strict_option: Final = click.option(
    "--strict",
    is_flag=True,
    help=f"Exit with {INCOMPLETE} if anything is known to be missing from the answer.",
)


def open_capture(
    captures: tuple[str, ...], skip_damaged: bool, memory_limit: str, by_image: bool = False
) -> Capture:
    """The capture that the arguments of ``capture_arguments`` name.

    It is closed when the current context of click is; what turns out to be damaged until then is
    said in a sentence.

    Raises:
        ChangedError: a recorder changed it again and again while it was opened.
    """
    from snoop_analysis.capture import Capture

    for further in reversed(range(_TRIES)):
        try:
            capture = Capture(
                captures, skip_damaged=skip_damaged, memory_limit=memory_limit, by_image=by_image
            )
            break
        except ChangedError:
            if not further:
                raise
    context = click.get_current_context()
    context.call_on_close(capture.close)
    context.with_resource(capture.reading())
    if sys.stdout.isatty() and sys.stderr.isatty():
        capture.show_progress()
    return capture


def warn_of(replay: Replay, of: str = "", events_alone: bool = False) -> None:
    """Say on standard error what the recording lacks, each sentence behind ``of``.

    ``events_alone``: the output has events, and nothing of what is known of files besides.
    """
    from snoop_analysis.reporting import outline
    from snoop_analysis.summary import missing

    for sentence in missing(outline(replay), events_alone):
        print(f"! {of}{sentence}", file=sys.stderr)


def warn_of_left_out(sentences: Iterable[str]) -> None:
    """Say on standard error what was left out."""
    for sentence in sentences:
        print(f"! left out: {printable(sentence)}", file=sys.stderr)


@contextmanager
def one_round() -> Iterator[None]:
    """A round of a command that looks again and again; its captures are closed behind it.

    One that a recorder changed while it was read is for the next round.
    """
    with suppress(ChangedError), click.Context(click.get_current_context().command):
        yield


def replay_arguments(
    exclude: tuple[str, ...],
    profile: str | None,
    syscalls: tuple[str, ...],
    containers: tuple[str, ...],
    max_unique_files: int = 0,
    **others: Any,
) -> dict[str, Any]:
    """Arguments of ``Capture.replay``; what is said on the command line overrides a profile.

    Raises:
        OptionError: ``--syscall`` was given, and names none.
    """
    chosen = PROFILES.get(profile or "")
    source = click.get_current_context().get_parameter_source("max_unique_files")
    if chosen and source is click.core.ParameterSource.DEFAULT:
        max_unique_files = chosen.max_unique_files
    names = _comma_separated(syscalls) or (list(chosen.syscalls) if chosen else None)
    if syscalls and not _comma_separated(syscalls):
        raise OptionError("--syscall names no call: leave it out to take all")
    return {
        "exclude": _comma_separated(exclude),
        "max_unique_files": max_unique_files,
        "syscalls": names,
        **part_arguments(containers),
        **others,
    }


def part_arguments(containers: tuple[str, ...], **others: Any) -> dict[str, Any]:
    """Arguments of ``Capture.replay`` for the options of ``part_options``."""
    return {"containers": containers or None, **others}


def _comma_separated(given: tuple[str, ...]) -> list[str]:
    return [part for text in given for part in text.split(",") if part]


def exit_strictly(replay: Replay, strict: bool) -> None:
    """Exit with 3 where ``--strict`` asks for completeness and there is none."""
    from snoop_analysis.reporting import outline

    if strict and not outline(replay).completeness.complete:
        click.get_current_context().exit(INCOMPLETE)
