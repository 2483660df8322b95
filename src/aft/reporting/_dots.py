"""Dots with whiskers, a row a thing, on one axis of errors."""

from collections.abc import Sequence
from dataclasses import dataclass

from aft.reporting._figure import Drawing, Line, Rect, Style, Text, marker
from aft.reporting._names import columns, short
from aft.reporting._numbers import Unit
from aft.reporting._scale import Scale, spanning, tick_label

#: About the width of a letter of a figure's text, in a wide typeface.
LETTER = 7.2


@dataclass(frozen=True)
class Dot:
    """A row.

    Args:
        label: What it is.
        value: Where its mark stands.
        style: The mark.
        low: The whisker's one end.
        high: The other.
        small: Small dots beside the mark, one a seed.
    """

    label: str
    value: float
    style: Style
    low: float | None = None
    high: float | None = None
    small: Sequence[float] = ()


@dataclass(frozen=True)
class Heading:
    """A row of text between others."""

    label: str


@dataclass(frozen=True)
class Guide:
    """A line across all rows, with its name above.

    Args:
        label: What it is.
        value: Where it stands.
        css: How it is drawn.
        told: Whether its value stands with its name.
    """

    label: str
    value: float
    css: str
    told: bool = True


def draw_dots(
    rows: Sequence[Dot | Heading], guides: Sequence[Guide], unit: Unit, width: float, *, gap: float = 34
) -> Drawing:
    """Draw rows of dots.

    Args:
        rows: From top to bottom.
        guides: Lines across them.
        unit: How errors are written.
        width: Of the sheet; below 500 the labels stand above their rows, not beside them.
        gap: Between rows on a wide sheet.

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
    sheet = Drawing(width, bottom + 44)
    axis = _axis(dots, guides, left + 8, width - right - 8)

    ticks = axis.ticks(7 if wide else 4)
    for tick in ticks:
        sheet.add(Line(axis(tick), top, axis(tick), bottom, "grid"))
        shown = [100 * value if unit.percent else value for value in ticks]
        label = tick_label(100 * tick if unit.percent else tick, shown)
        sheet.add(Text(axis(tick), bottom + 16, label, "muted", "middle"))
    sheet.add(Line(left, bottom, width - right, bottom, "axis"))
    sheet.add(Text((left + width - right) / 2, bottom + 36, f"← better · {unit.axis}", "muted", "middle"))
    for n, guide in enumerate(guides):
        sheet.add(Line(axis(guide.value), 18 * n + 16, axis(guide.value), bottom, f"guide {guide.css}"))
    for n, guide in enumerate(guides):
        sheet.add(_name(guide, axis, 18 * n + 12, unit, width))
    for n, row in enumerate(rows):
        y = top + gap * n + gap / 2
        if isinstance(row, Heading):
            sheet.add(Text(0 if wide else 4, y + 8, row.label, "strong", limit=int((width - 8) / LETTER)))
            continue
        if wide:
            sheet.add(Text(indent, y + 4, row.label, limit=int((left - 10 - indent) / LETTER)))
            sheet.add(Text(width, y + 4, values[id(row)], "", "end"))
        else:
            room = width - (len(values[id(row)]) + 2) * LETTER
            # Guides run behind the words, not through them.
            words, number = columns(short(row.label, int(room / LETTER))) * LETTER, len(values[id(row)]) * LETTER
            sheet.add(Rect(2, y - 20, words + 4, 16, "blank"))
            sheet.add(Rect(width - 6 - number, y - 20, number + 6, 16, "blank"))
            sheet.add(Text(4, y - 8, row.label, "", limit=int(room / LETTER)))
            sheet.add(Text(width - 4, y - 8, values[id(row)], "", "end"))
            y += 9
        _row(sheet, row, axis, y)
    return sheet


def _axis(dots: Sequence[Dot], guides: Sequence[Guide], start: float, end: float) -> Scale:
    values = [value for dot in dots for value in (dot.value, dot.low, dot.high, *dot.small) if value is not None]
    return spanning([*values, *(guide.value for guide in guides)], start, end)


def _name(guide: Guide, axis: Scale, y: float, unit: Unit, width: float) -> Text:
    """A line's name, above it and on the sheet."""
    x, text = axis(guide.value), f"{guide.label} {unit(guide.value)}" if guide.told else guide.label
    half = columns(text) * LETTER / 2
    anchor = "start" if x < half else "end" if x + half > width else "middle"
    return Text(x, y, text, "muted haloed", anchor)


def _row(sheet: Drawing, row: Dot, axis: Scale, y: float) -> None:
    for n, value in enumerate(row.small):
        # Below the whisker, on two levels, so that seeds with nearly the same error are told apart.
        sheet.add(marker(axis(value), y + 8 + 3 * (n % 2), "circle", f"seed {row.style.css}", 1.8))
    if row.low is not None and row.high is not None:
        low, high = axis(row.low), axis(row.high)
        css = f"whisker {row.style.css}"
        sheet.add(Line(low, y, high, y, css), Line(low, y - 4, low, y + 4, css), Line(high, y - 4, high, y + 4, css))
    sheet.add(marker(axis(row.value), y, row.style.shape, row.style.css))
