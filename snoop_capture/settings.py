# SPDX-License-Identifier: Apache-2.0
"""Options that flags, environment variables and a file can set, in this order of precedence.

That order is click's own (flags, ``envvar``, ``default_map``). Here is what click leaves open:
the file, that all that is wrong is said at once and where it stands, and ``--print-config``.
"""

import difflib
import json
import os
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import click
from click.core import ParameterSource

from snoop_capture.settings_file import Entry, UnreadableError, entries

PREFIX: Final = "SNOOP_"

_COMPLAINTS: Final = "snoop.complaints"
_ARGUMENTS: Final = "snoop.arguments"
_PLACES: Final = "snoop.places"
_PLAIN: Final = re.compile(r"[A-Za-z0-9_./][A-Za-z0-9_./@=+-]*")
# What Kubernetes sets in every pod for a Service whose name begins with snoop: "Accessing the
# Service" in its documentation.
_SERVICE_LINK: Final = re.compile(
    r"\w+_SERVICE_(HOST|PORT(_\w+)?)|\w+_PORT(_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)?"
)


class _Gathering(click.Parameter):
    """A parameter that notes what is wrong with it, so that the others are looked at as well."""

    def handle_parse_result(
        self, ctx: click.Context, opts: Mapping[str, Any], args: list[str]
    ) -> tuple[Any, list[str]]:
        """As click's; a mistake is noted."""
        try:
            return super().handle_parse_result(ctx, opts, args)
        except click.MissingParameter as error:
            ctx.meta[_ARGUMENTS].append(error.format_message())
        except click.UsageError as error:
            _complain(ctx, _said_of(self, ctx, error))
        return None, args


class Setting(_Gathering, click.Option):
    """An option that an environment variable and a key of the file can set, too.

    Args:
        declarations: as click has them; the longest is the name of the key.
        variable: the variable's name, if it is not ``SNOOP_`` and the key's.
        text: how the value is written.
        may_be_empty: whether an empty variable says something, and not that it is unset.
        attributes: as click has them.
    """

    def __init__(
        self,
        declarations: list[str],
        *,
        variable: str | None = None,
        text: Callable[[Any], str] = str,
        may_be_empty: bool = False,
        **attributes: Any,
    ) -> None:
        super().__init__(declarations, show_default=True, show_envvar=True, **attributes)
        self.key = max(self.opts, key=len).lstrip("-")
        self.envvar = variable or PREFIX + self.key.replace("-", "_").upper()
        self.text = text
        self.may_be_empty = may_be_empty

    def resolve_envvar_value(self, ctx: click.Context) -> str | None:
        """The variable's value; click takes an empty one for none."""
        if self.may_be_empty and os.environ.get(str(self.envvar)) == "":
            return ""
        return super().resolve_envvar_value(ctx)


class Named(_Gathering, click.Argument):
    """What is recorded; not asked for where the settings alone are printed."""

    def handle_parse_result(
        self, ctx: click.Context, opts: Mapping[str, Any], args: list[str]
    ) -> tuple[Any, list[str]]:
        """As click's."""
        self.required = not ctx.params.get("print_config")
        return super().handle_parse_result(ctx, opts, args)


class SettingsCommand(click.Command):
    """A command whose options are settings."""

    @property
    def settings(self) -> dict[str, Setting]:
        """By their keys."""
        return {p.key: p for p in self.params if isinstance(p, Setting)}

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click's, but every mistake is said.

        Raises:
            click.UsageError: with all of them.
        """
        ctx.meta[_COMPLAINTS], ctx.meta[_ARGUMENTS], ctx.meta[_PLACES] = [], [], {}
        rest: list[str] = []
        try:
            rest = super().parse_args(ctx, self._without_unknown(ctx, args))
        except (click.NoSuchOption, click.BadOptionUsage) as error:
            _complain(ctx, error.format_message())
        except click.UsageError as error:
            ctx.meta[_ARGUMENTS].append(error.format_message())
        complaints = [*_of_settings(ctx.meta[_COMPLAINTS]), *ctx.meta[_ARGUMENTS]]
        if complaints:
            raise click.UsageError("\n".join(complaints), ctx)
        return rest

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command, or with ``--print-config`` say what it would be run with."""
        if ctx.params.pop("print_config"):
            click.echo("\n".join(_printed(self, ctx)))
            return None
        return super().invoke(ctx)

    def _without_unknown(self, ctx: click.Context, args: list[str]) -> list[str]:
        """The command line without options that there are not, which are complained of."""
        while True:
            try:
                self.make_parser(ctx).parse_args(list(args))
            except click.NoSuchOption as error:
                known = [word for word in args if word.partition("=")[0] != error.option_name]
                if len(known) == len(args):
                    raise
                _complain(ctx, error.format_message())
                args = known
            else:
                return args


def read_file(ctx: click.Context, _: click.Parameter, path: Path | None) -> Path | None:
    """Take what a file says as the command's defaults: the callback of ``--config``."""
    assert isinstance(ctx.command, SettingsCommand)
    defaults: dict[str, Any] = {}
    ctx.default_map = defaults
    try:
        for entry in entries(path) if path else ():
            if isinstance(entry, UnreadableError):
                _complain(ctx, str(entry))
            else:
                _take(ctx, ctx.command.settings, entry, defaults)
    except UnreadableError as error:
        _complain(ctx, str(error))
    return path


def unknown_variables(command: SettingsCommand) -> Iterator[str]:
    """What to say of variables that look like settings, but are none.

    They are no mistake: others may set them, in Kubernetes any Service whose name begins so.
    """
    known = {str(setting.envvar) for setting in command.settings.values()} | {PREFIX + "CONFIG"}
    for name in sorted(os.environ):
        if name.startswith(PREFIX) and name not in known and not _SERVICE_LINK.fullmatch(name):
            yield f"{name} is set, but is no setting{_nearest(name, known)}"


def _take(
    ctx: click.Context, settings: dict[str, Setting], entry: Entry, defaults: dict[str, Any]
) -> None:
    setting = settings.get(entry.key)
    if setting is None:
        nearest = _nearest(entry.key, set(settings))
        _complain(
            ctx,
            f"{entry.place}: {entry.key!r} is no setting of {ctx.command_path}{nearest}",
        )
    elif entry.is_list and not setting.multiple:
        _complain(ctx, f"{entry.place}: {entry.key} takes one value, not a list")
    elif "" in entry.values and not setting.may_be_empty:
        _complain(ctx, f"{entry.place}: {entry.key} is empty")
    else:
        assert setting.name
        defaults[setting.name] = entry.values if setting.multiple else entry.values[0]
        ctx.meta[_PLACES][setting.name] = entry.place


def _nearest(name: str, known: set[str]) -> str:
    found = difflib.get_close_matches(name, sorted(known), 1)
    return f"; did you mean {found[0]}?" if found else ""


def _complain(ctx: click.Context, complaint: str) -> None:
    ctx.meta[_COMPLAINTS].append(complaint)


def _of_settings(complaints: list[str]) -> Iterator[str]:
    if complaints:
        count = "one setting" if len(complaints) == 1 else f"{len(complaints)} settings"
        yield f"{count} cannot be used:"
        yield from (f"  {complaint}" for complaint in complaints)


def _said_of(param: click.Parameter, ctx: click.Context, error: click.UsageError) -> str:
    """Where a value stands, and what is wrong with it."""
    source = ctx.get_parameter_source(str(param.name))
    where = param.opts[-1] if isinstance(param, click.Option) else param.human_readable_name
    if source is ParameterSource.ENVIRONMENT:
        where = str(param.envvar)
    elif source is ParameterSource.DEFAULT_MAP and isinstance(param, Setting):
        where = f"{ctx.meta[_PLACES][param.name]}: {param.key}"
    return f"{where}: {error.message}"


def _printed(command: SettingsCommand, ctx: click.Context) -> Iterator[str]:
    """The settings in effect as a file can have them, and where each comes from."""
    yield f"# Settings of {ctx.command_path}: a flag comes before a variable, that before the file."
    for key, setting in command.settings.items():
        value = ctx.params[str(setting.name)]
        source = _source(setting, ctx)
        if setting.multiple:
            yield f"{key}: [{', '.join(map(_scalar, value))}]  # {source}"
        elif value is None and setting.text is str:
            yield f"# {key}:  # not set"
        else:
            yield f"{key}: {_scalar(_text(setting, value))}  # {source}"


def _text(setting: Setting, value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else setting.text(value)


def _source(setting: Setting, ctx: click.Context) -> str:
    name = str(setting.name)
    source = ctx.get_parameter_source(name)
    if source is ParameterSource.COMMANDLINE:
        return f"--{setting.key}"
    if source is ParameterSource.ENVIRONMENT:
        return str(setting.envvar)
    if source is ParameterSource.DEFAULT_MAP:
        return json.dumps(ctx.meta[_PLACES][name])[1:-1]
    return "default"


def _scalar(text: str) -> str:
    """Text as it can stand in YAML, which takes JSON's strings."""
    is_plain = _PLAIN.fullmatch(text) and text.lower() != "null"
    return text if is_plain else json.dumps(text)
