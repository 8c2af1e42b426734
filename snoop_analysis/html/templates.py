# SPDX-License-Identifier: Apache-2.0
"""The templates of this folder. Whatever they are given is escaped."""

from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined

from snoop_analysis.display.cells import cell

TEMPLATES: Final = Environment(
    loader=PackageLoader("snoop_analysis", "html"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
TEMPLATES.filters["cell"] = cell
