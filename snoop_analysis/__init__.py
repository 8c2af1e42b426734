# SPDX-License-Identifier: Apache-2.0
"""Replay of captures: which files did these containers use?

    >>> from snoop_analysis import Capture
    >>> report = Capture("capture/").replay().report()

Needs no root, no BPF and no Linux. Nothing is imported before it is used.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from snoop_analysis.capture import Capture as Capture

__all__ = ["Capture"]


def __getattr__(name: str) -> object:
    if name == "Capture":
        from snoop_analysis.capture import Capture

        return Capture
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
