"""Scatter plots of errors against errors."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aft.reporting._figure import Drawing, Line, Style, Text, marker
from aft.reporting._names import columns
from aft.reporting._scale import spanning, tick_label


@dataclass(frozen=True)
class Column:
    """Marks with the same x coordinate.

    Args:
        label: Label above the marks.
        x: Error on the horizontal axis, as a share.
        errors: Error of each method on the vertical axis, as shares.
    """

    label: str
    x: float
    errors: Mapping[str, float]


def draw_scatter(
    points: Sequence[Column],
    method_styles: Mapping[str, Style],
    width: float,
    height: float,
    x_label: str,
    y_label: str,
) -> Drawing:
    """Draw columns of marks on axes in percent, with a dotted line where both axes are equal.

    Args:
        points: The columns.
        method_styles: Style of each method.
        width: Width of the drawing.
        height: Height of the drawing, without the legend.
        x_label: Label of the horizontal axis.
        y_label: Label of the vertical axis.

    Returns:
        The drawing.
    """
    methods = list(dict.fromkeys(method for column in points for method in column.errors))
    legend, lines = legend_entries(methods, width)
    drawing = Drawing(width, height + 20 * lines)
    top, bottom, left, right = 20 * lines + 40, height + 20 * lines - 46, 44, width - 14
    across = spanning([column.x for column in points], left + 14, right - 10)
    up = spanning([error for column in points for error in column.errors.values()], bottom - 6, top + 6)

    for axis, count in ((across, 6 if width > 500 else 4), (up, 6)):
        ticks = axis.ticks(count)
        shown = [100 * tick for tick in ticks]
        for tick, value in zip(ticks, shown, strict=True):
            place = axis(tick)
            if axis is across:
                drawing.add(Line(place, top, place, bottom, "grid"))
                drawing.add(Text(place, bottom + 16, tick_label(value, shown), "muted", "middle"))
            else:
                drawing.add(Line(left, place, right, place, "grid"))
                drawing.add(Text(left - 6, place + 4, tick_label(value, shown), "muted", "end"))
    drawing.add(Line(left, bottom, right, bottom, "axis"), Line(left, top, left, bottom, "axis"))
    drawing.add(Text((left + right) / 2, bottom + 38, x_label, "muted", "middle"))
    drawing.add(Text(2, top - 24, y_label, "muted"))
    first, last = max(across.low, up.low), min(across.high, up.high)
    if last > first:
        drawing.add(Line(across(first), up(first), across(last), up(last), "guide dotted"))
    for x, y, method in legend:
        drawing.add(marker(x + 6, y - 4, method_styles[method].shape, method_styles[method].css))
        drawing.add(Text(x + 18, y, method, "", limit=22))
    taken: list[tuple[float, float]] = []
    for column in points:
        x, places = across(column.x), [up(error) for error in column.errors.values()]
        drawing.add(Line(x, min(places), x, max(places), "whisker base"))
        for method, error in column.errors.items():
            drawing.add(marker(x, up(error), method_styles[method].shape, method_styles[method].css))
        y = min(places) - 10
        while any(abs(x - a) < 16 and abs(y - b) < 13 for a, b in taken):
            y -= 13
        taken.append((x, y))
        drawing.add(Text(x, y, column.label, "strong haloed", "middle"))
    return drawing


def legend_entries(methods: Sequence[str], width: float) -> tuple[list[tuple[float, float, str]], int]:
    """Coordinates of each method's entry in the legend, and the number of lines of the legend."""
    placed, x, line = [], 0.0, 0
    for method in methods:
        entry_width = 18 + min(columns(method), 22) * 6.6 + 16
        if x and x + entry_width > width:
            x, line = 0.0, line + 1
        placed.append((x, 14.0 + 20 * line, method))
        x += entry_width
    return placed, line + 1
