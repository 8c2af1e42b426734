# SPDX-License-Identifier: Apache-2.0
"""``save`` of a picture: Altair's, which refuses with a sentence and spares captures."""

from __future__ import annotations

from functools import partial
from os import PathLike
from pathlib import Path
from typing import IO, Any, Final, TypeVar

import altair as alt

from snoop_analysis.errors import OptionError
from snoop_analysis.replacing import check_outputs

Drawn = TypeVar("Drawn", bound=alt.TopLevelMixin)
FORMATS: Final = ("html", "json", "pdf", "png", "svg")


def savable(picture: Drawn) -> Drawn:
    """``picture``, whose ``save`` is the one below; a changed copy of it has Altair's again."""
    # As an attribute like others it would become part of what is drawn.
    object.__setattr__(picture, "save", partial(_save, picture))
    return picture


def _save(
    picture: alt.TopLevelMixin,
    fp: str | PathLike[str] | IO[Any],
    format: str | None = None,
    **options: Any,
) -> None:
    """Write a picture.

    Args:
        picture: the picture.
        fp: the file, or its name, which says the format.
        format: the format, of ``FORMATS``.
        options: as Altair takes them.

    Raises:
        OptionError: there is no such format, or the file is in a session.
        OSError: it cannot be written.
    """
    name = Path(fp) if isinstance(fp, str | PathLike) else None
    kind = format or (name.suffix[1:] if name else None)
    if kind not in FORMATS:
        wrong = repr(kind) if format or not name else f"the end of {name}"
        endings = ", ".join(f".{one}" for one in FORMATS)
        raise OptionError(f"{wrong} is no format of a picture; there are {endings}")
    check_outputs([name])
    save: Any = type(picture).save
    save(picture, fp if name is None else name, kind, **options)
