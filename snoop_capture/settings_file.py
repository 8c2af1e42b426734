# SPDX-License-Identifier: Apache-2.0
"""Settings from a YAML file, as a ConfigMap brings it: ``rotate-interval: 15m``.

What a key may be and what its value means is the options' business: here values are text, as it
stands in the file, and go the way of what stands on the command line. So ``1e3`` or ``on`` mean
the same in both.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

_LARGEST: Final = 1 << 20  # bytes; of a ConfigMap, too
_NULL: Final = "tag:yaml.org,2002:null"


class UnreadableError(Exception):
    """The file, or something in it, cannot be taken; the message says where and why."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One key of the file; a list has several values."""

    key: str
    values: list[str]
    is_list: bool
    place: str
    """``FILE:LINE``."""


def entries(path: Path) -> Iterator["Entry | UnreadableError"]:
    """The entries of a file in their order; in place of one that cannot be, what is wrong.

    Raises:
        UnreadableError: it cannot be read, is no YAML, or holds no mapping.
    """
    root = _compose(path)
    if root is None or root.tag == _NULL:
        return
    if root.id != "mapping":
        raise UnreadableError(f"{path} does not hold settings, a line each: rotate-interval: 15m")
    met: dict[str, str] = {}
    for key, value in root.value:
        place = f"{path}:{key.start_mark.line + 1}"
        if key.id != "scalar":
            yield UnreadableError(f"{place}: this is not the name of a setting")
        elif key.value in met:
            yield UnreadableError(f"{place}: {key.value} is set twice, before in {met[key.value]}")
        else:
            met[key.value] = place
            yield _entry(key.value, value, place)


def _compose(path: Path) -> Any:
    import yaml  # not above: most recordings have no file

    try:
        with path.open("rb") as file:
            text = file.read(_LARGEST + 1)
        if len(text) > _LARGEST:
            raise UnreadableError(f"{path} is larger than {_LARGEST:,} bytes")
        return yaml.compose(text, yaml.SafeLoader)
    except OSError as error:
        raise UnreadableError(f"cannot read {path}: {error.strerror}") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        place = f"{path}:{mark.line + 1}" if mark else str(path)
        raise UnreadableError(f"{place}: this is not YAML: {error.problem}") from error
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        reason = str(error).partition("\n")[0]
        raise UnreadableError(f"{path} is not YAML: {reason}") from error


def _entry(key: str, value: Any, place: str) -> "Entry | UnreadableError":
    is_list = value.id == "sequence"
    parts = value.value if is_list else [value]
    if any(part.id != "scalar" or part.tag == _NULL for part in parts):
        return UnreadableError(f"{place}: {key} needs a value, or a list of values")
    return Entry(key, [part.value for part in parts], is_list, place)
