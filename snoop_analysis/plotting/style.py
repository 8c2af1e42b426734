# SPDX-License-Identifier: Apache-2.0
"""How pictures look: colours, width, letters.

The same picture is drawn for a notebook or a file, in fixed colours, and for a page, whose
style sheet gives the colours and so has them light or dark.
"""

from dataclasses import dataclass, replace
from typing import Final, TypeAlias

import altair as alt

from snoop_analysis.plotting.savable import savable

Picture: TypeAlias = alt.Chart | alt.LayerChart | alt.VConcatChart | alt.FacetChart

# Metrically the same as Arial; comes with vl-convert, so that a file looks the same everywhere.
# ``Narrowed`` is defined in html/style.css.
FONT: Final = "Liberation Sans, Arial, Helvetica, Narrowed, sans-serif"
LETTERS: Final = 12  # pixels
_LETTER: Final = 6  # pixels, of the width of most


@dataclass(frozen=True, slots=True)
class Style:
    """Colours as CSS has them; ``width`` of the drawing area in pixels.

    Attributes:
        found: calls that succeeded, or whatever there is just one of.
        missed: calls that failed.
        other: calls without a result.
        areas: one colour after the other for what stands side by side.
        on_area: letters on these, and the lines between them.
        text: letters on the background.
        lines: axes and grid.
        background: behind everything.
        zooms: whether the picture can be zoomed and filtered where it is shown.
        whole: ``width`` is that of the picture with all its letters, not of the drawing area.
    """

    found: str
    missed: str
    other: str
    areas: tuple[str, ...]
    on_area: str
    text: str
    lines: str
    background: str
    width: int = 640
    zooms: bool = True
    whole: bool = False

    def of_width(self, width: int) -> "Style":
        """The same in another width."""
        return replace(self, width=width)


NOTEBOOK: Final = Style(
    found="#2f6db5",
    missed="#c2570c",
    other="#767676",
    areas=("#2f6db5", "#2a7f5f", "#8250a8", "#9c5a16", "#40708a", "#a33a5b"),
    on_area="#ffffff",
    text="#24292f",
    lines="#d0d7de",
    background="#ffffff",
)

# Custom properties that html/style.css sets, once for light and once for dark.
PAGE: Final = Style(
    found="var(--found)",
    missed="var(--missed)",
    other="var(--other)",
    areas=tuple(f"var(--area-{number})" for number in range(1, 7)),
    on_area="var(--on-area)",
    text="var(--text)",
    lines="var(--lines)",
    background="transparent",
    zooms=False,
    whole=True,
)

OUTCOMES: Final = ("found", "missed", "no result")


def calls_axis() -> alt.Axis:
    """An axis of numbers of calls, which are whole."""
    whole = alt.datum.value % 1 == 0
    seen = alt.condition(whole, alt.value(1), alt.value(0))
    return alt.Axis(tickCount=5, format=",d", labelOpacity=seen, gridOpacity=seen, tickOpacity=seen)


def time_axis() -> alt.Axis:
    """An axis of equal intervals; its title may be longer than the axis."""
    return alt.Axis(titleAnchor="end", tickCount=6)


def path_axis(style: Style) -> alt.Axis:
    """An axis of paths, of which the ends tell more than the beginnings."""
    letters = _room_for_labels(style) // _LETTER
    ending = f"'…' + slice(datum.label, {1 - letters})"
    return alt.Axis(labelExpr=f"length(datum.label) > {letters} ? {ending} : datum.label")


def _room_for_labels(style: Style) -> int:
    """Pixels."""
    return style.width // 3 if style.whole else style.width // 2


def outcome_colour(style: Style) -> alt.Color:
    """The encoding of a field ``outcome``, one of ``OUTCOMES``."""
    colours = [style.found, style.missed, style.other]
    return alt.Color(
        "outcome:N",
        title=None,
        scale=alt.Scale(domain=list(OUTCOMES), range=colours),
        legend=alt.Legend(orient="top"),
    )


def filtered(chart: alt.Chart, name: str, field: str, style: Style) -> alt.Chart:
    """``chart`` with a legend whose entries, clicked, leave ``field`` with that value alone.

    ``name`` tells it from other charts in the same picture.
    """
    if not style.zooms:
        return chart
    chosen = alt.selection_point(name=f"{name}_{field}", fields=[field], bind="legend")
    drawn: alt.Chart = chart.add_params(chosen).transform_filter(chosen)
    return drawn


def styled(picture: Picture, style: Style) -> Picture:
    """``picture`` with the letters, colours and width of ``style``."""
    letters = {"font": FONT, "color": style.text, "subtitleColor": style.text}
    whole = alt.AutoSizeParams(type="fit-x", contains="padding")
    drawn: Picture = (
        picture.configure(
            background=style.background,
            font=FONT,
            autosize=whole if style.whole else alt.Undefined,
            padding=0 if style.whole else alt.Undefined,
        )
        .configure_title(anchor="start", frame="group", fontSize=14, **letters)
        .configure_axis(
            labelColor=style.text,
            titleColor=style.text,
            domainColor=style.lines,
            tickColor=style.lines,
            gridColor=style.lines,
            labelLimit=_room_for_labels(style),
            labelFontSize=LETTERS,
            titleFontSize=LETTERS,
            titleFontWeight="normal",
        )
        .configure_legend(
            labelColor=style.text, titleColor=style.text, labelLimit=0, labelFontSize=LETTERS
        )
        .configure_view(stroke=None)
    )
    return savable(drawn)


def empty(words: str, style: Style) -> Picture:
    """A picture that says in words why there is nothing to draw."""
    chart = alt.Chart(alt.InlineData(values=[{"words": words}])).mark_text(
        align="left", color=style.text, fontSize=13, x=0
    )
    drawn: alt.Chart = chart.encode(text="words:N").properties(width=style.width, height=40)
    return drawn
