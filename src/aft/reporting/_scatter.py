"""Scatter plots of errors against errors."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aft.reporting._figure import Drawing, Line, Style, Text
from aft.reporting._plot import Plot, linear_ticks
from aft.reporting._scale import spanning


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
    plot = Plot(methods, width, height)
    across = spanning([column.x for column in points], plot.left + 14, plot.right - 10)
    up = spanning([error for column in points for error in column.errors.values()], plot.bottom - 6, plot.top + 6)
    x_ticks, y_ticks = linear_ticks(across, 6 if width > 500 else 4, 100), linear_ticks(up, 6, 100)
    plot.draw_axes(x_ticks, y_ticks, x_label, y_label)
    first, last = max(across.low, up.low), min(across.high, up.high)
    if last > first:
        plot.drawing.add(Line(across(first), up(first), across(last), up(last), "guide dotted"))
    plot.draw_legend(method_styles)
    for column in points:
        x, marks = across(column.x), [(up(error), method_styles[method]) for method, error in column.errors.items()]
        plot.draw_column(x, marks)
        y = plot.label_place(x, min(place for place, _ in marks), near=16)
        plot.drawing.add(Text(x, y, column.label, "strong haloed", "middle"))
    return plot.drawing
