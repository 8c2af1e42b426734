# SPDX-License-Identifier: Apache-2.0
"""How a notebook shows a picture: JupyterLab draws it itself, others take the SVG.

Altair's own way fetches its scripts from a server; JupyterLab has a Vega-Lite of its own, which
needs none. It announces version 5 of the grammar; what Altair writes calls itself 6, and for
these pictures the two are the same.
"""

from typing import Any, Final

import altair as alt
import vl_convert

_NAME: Final = "snoop"
_JUPYTERLAB: Final = "application/vnd.vegalite.v5+json"
_SCHEMA: Final = "https://vega.github.io/schema/vega-lite/v5.json"  # a name: nothing is fetched


def bundle(spec: dict[str, Any], **_options: object) -> dict[str, Any]:
    """A Vega-Lite picture in the forms a notebook can keep."""
    return {
        _JUPYTERLAB: {**spec, "$schema": _SCHEMA},
        "image/svg+xml": vl_convert.vegalite_to_svg(spec),
        "text/plain": "<picture>",
    }


def show_in_notebooks() -> None:
    """Show pictures without a network, unless someone has chosen a renderer of Altair's."""
    if alt.renderers.active == "default":
        alt.renderers.register(_NAME, bundle)
        alt.renderers.enable(_NAME)
