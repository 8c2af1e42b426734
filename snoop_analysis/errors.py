# SPDX-License-Identifier: Apache-2.0
"""What goes wrong for a person: every message is a sentence that can be shown as it is."""

import re
from typing import Final

_KIND: Final = re.compile(r"^[A-Z][A-Za-z ]* Error: ")


class AnalysisError(Exception):
    """Something the analysis cannot go on with; the message says what happened and to what."""


class CaptureError(AnalysisError):
    """A capture that cannot be read."""


class ChangedError(CaptureError):
    """A capture that a recorder changed while it was read: to be read again."""


class ForbiddenError(CaptureError):
    """A capture of which the user may not read a file."""


class ClosedError(CaptureError):
    """A capture or a replay that was closed."""

    def __init__(self) -> None:
        super().__init__("it was closed, and cannot be read any more: open the capture again")


class ImageError(AnalysisError):
    """An image that cannot be read."""


class OptionError(AnalysisError):
    """A setting with a value it cannot have."""


def first_line(error: Exception) -> str:
    """What an error of DuckDB says, without its kind and the query it quotes."""
    return _KIND.sub("", str(error)).split("\n", 1)[0]
