"""Dot plots: rows of dots with whiskers on one axis."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from aft.reporting._figure import Drawing, Line, Rect, Style, Text, marker
from aft.reporting._names import columns, short
from aft.reporting._numbers import Unit
from aft.reporting._scale import Scale, spanning, tick_label

#: Approximate width of a letter in a wide typeface.
LETTER = 7.2
#: Where the label of a line may stand: which of its ends is at the line, and how far beyond the line it starts.
SIDES = (("middle", 0.0), ("start", -3.0), ("end", -3.0))
#: Sides that lines of the same value call for.
BESIDE = (("start", 6.0), ("end", 6.0))


@dataclass(frozen=True)
class Dot:
    """A row with a dot.

    Args:
        label: Label of the row.
        value: Value of the dot.
        style: Style of the dot.
        low: Lower end of the whisker.
        high: Upper end of the whisker.
        seeds: Values of the seeds, drawn as small dots below the whisker.
    """

    label: str
    value: float
    style: Style
    low: float | None = None
    high: float | None = None
    seeds: Sequence[float] = ()


@dataclass(frozen=True)
class Heading:
    """A row of text between the others."""

    label: str


@dataclass(frozen=True)
class Guide:
    """A vertical line across all rows, with a label above.

    Args:
        label: Label of the line.
        value: Its value.
        css: CSS class of the line: ``dashed``, ``dotted`` or ``dashdot``.
        show_value: Whether the label includes the value.
    """

    label: str
    value: float
    css: str
    show_value: bool = True


def draw_dots(
    rows: Sequence[Dot | Heading], guides: Sequence[Guide], unit: Unit, width: float, *, gap: float = 34
) -> Drawing:
    """Draw a dot plot.

    Args:
        rows: Rows from top to bottom.
        guides: Vertical lines.
        unit: How values are formatted.
        width: Width of the drawing. Below 500, labels are placed above their rows instead of beside them.
        gap: Height of a row of a wide drawing.

    Returns:
        The drawing.
    """
    dots = [row for row in rows if isinstance(row, Dot)]
    wide = width >= 500
    values = {id(dot): unit(dot.value) for dot in dots}
    indent = 14 if wide and len(dots) < len(rows) else 0
    left = min(max(columns(dot.label) for dot in dots) * LETTER + indent + 14, 240) if wide else 4
    right = max(len(text) for text in values.values()) * LETTER + 16 if wide else 4
    gap = gap if wide else 44
    top = 18 * len(guides) + 12
    bottom = top + gap * len(rows)
    drawing = Drawing(width, bottom + 44)
    axis = _axis(dots, guides, left + 8, width - right - 8)

    ticks = axis.ticks(7 if wide else 4)
    for tick in ticks:
        drawing.add(Line(axis(tick), top, axis(tick), bottom, "grid"))
        shown = [100 * value if unit.percent else value for value in ticks]
        label = tick_label(100 * tick if unit.percent else tick, shown)
        drawing.add(Text(axis(tick), bottom + 16, label, "muted", "middle"))
    drawing.add(Line(left, bottom, width - right, bottom, "axis"))
    start = f" · axis from {unit(axis.low)}" if axis.low > 0 else ""
    drawing.add(Text((left + width - right) / 2, bottom + 36, f"← better · {unit.axis}{start}", "muted", "middle"))
    for n, placed in enumerate(_place_labels(guides, axis, unit, width)):
        x = axis(placed.guide.value)
        drawing.add(Line(x, 18 * n + 16, x, bottom, f"guide {placed.guide.css}"))
        drawing.add(Text(placed.x, 18 * n + 12, placed.text, "muted haloed", placed.anchor))
    for n, row in enumerate(rows):
        y = top + gap * n + gap / 2
        if isinstance(row, Heading):
            drawing.add(Text(0 if wide else 4, y + 8, row.label, "strong", limit=int((width - 8) / LETTER)))
            continue
        if wide:
            drawing.add(Text(indent, y + 4, row.label, limit=int((left - 10 - indent) / LETTER)))
            drawing.add(Text(width, y + 4, values[id(row)], "", "end"))
        else:
            space = width - (len(values[id(row)]) + 2) * LETTER
            # Blank rectangles keep the guides from crossing the labels.
            label_width = columns(short(row.label, int(space / LETTER))) * LETTER
            value_width = len(values[id(row)]) * LETTER
            drawing.add(Rect(2, y - 20, label_width + 4, 16, "blank"))
            drawing.add(Rect(width - 6 - value_width, y - 20, value_width + 6, 16, "blank"))
            drawing.add(Text(4, y - 8, row.label, "", limit=int(space / LETTER)))
            drawing.add(Text(width - 4, y - 8, values[id(row)], "", "end"))
            y += 9
        _row(drawing, row, axis, y)
    return drawing


def _axis(dots: Sequence[Dot], guides: Sequence[Guide], start: float, end: float) -> Scale:
    values = [value for dot in dots for value in (dot.value, dot.low, dot.high, *dot.seeds) if value is not None]
    return spanning([*values, *(guide.value for guide in guides)], start, end)


@dataclass(frozen=True)
class _GuideLabel:
    """The label of a guide: its text, and where it is drawn."""

    guide: Guide
    text: str
    x: float
    anchor: str
    span: tuple[float, float]


def _place_labels(guides: Sequence[Guide], axis: Scale, unit: Unit, width: float) -> list[_GuideLabel]:
    """Labels from top to bottom, within the drawing, in the order and on the sides where the fewest lines cross them.

    The line of each guide starts below its own label, and so passes all labels further down.
    """

    def label(guide: Guide, side: tuple[str, float]) -> _GuideLabel:
        text = f"{guide.label} {unit(guide.value)}" if guide.show_value else guide.label
        anchor, beside = side
        x, length = axis(guide.value), columns(text) * LETTER
        start = {"start": x + beside, "middle": x - length / 2, "end": x - beside - length}[anchor]
        start = min(max(start, 0), max(width - length, 0))
        place = {"start": start, "middle": start + length / 2, "end": start + length}[anchor]
        return _GuideLabel(guide, text, place, anchor, (start, start + length))

    def crossings(labels: Sequence[_GuideLabel]) -> int:
        lines = [axis(one.guide.value) for one in labels]
        return sum(
            low - 4 < x < high + 4 for n, one in enumerate(labels) for low, high in [one.span] for x in lines[:n]
        )

    def best(sides: Sequence[tuple[str, float]]) -> list[_GuideLabel]:
        choices = (
            list(map(label, order, chosen))
            for order in itertools.permutations(guides)
            for chosen in itertools.product(sides, repeat=len(guides))
        )
        return min(choices, key=crossings)

    labels = best(SIDES)
    return best([*SIDES, *BESIDE]) if crossings(labels) else labels


def _row(drawing: Drawing, row: Dot, axis: Scale, y: float) -> None:
    for n, value in enumerate(row.seeds):
        # Two levels keep seeds with nearly equal errors apart.
        drawing.add(marker(axis(value), y + 8 + 3 * (n % 2), "circle", f"seed {row.style.css}", 1.8))
    if row.low is not None and row.high is not None:
        low, high = axis(row.low), axis(row.high)
        css = f"whisker {row.style.css}"
        drawing.add(Line(low, y, high, y, css), Line(low, y - 4, low, y + 4, css), Line(high, y - 4, high, y + 4, css))
    drawing.add(marker(axis(row.value), y, row.style.shape, row.style.css))
