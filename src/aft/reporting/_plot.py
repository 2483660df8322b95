"""What plots of errors share: a frame with axes, a legend of methods, and labelled columns of marks."""

from collections.abc import Iterable, Mapping, Sequence

from aft.reporting._figure import Drawing, Line, Style, Text, marker
from aft.reporting._names import columns
from aft.reporting._scale import Scale, tick_label

#: A coordinate on an axis, and what stands there.
Tick = tuple[float, str]


class Plot:
    """A drawing with room for a legend above a frame.

    Args:
        methods: The methods of the legend.
        width: Width of the drawing.
        height: Height of the drawing, without the legend.

    Attributes:
        drawing: The drawing.
        top: Upper edge of the frame; the others likewise.
    """

    def __init__(self, methods: Sequence[str], width: float, height: float) -> None:
        self._legend, lines = _legend(methods, width)
        self.drawing = Drawing(width, height + 20 * lines)
        self.top, self.bottom = 20 * lines + 40, height + 20 * lines - 46
        self.left, self.right = 44, width - 14
        self._labels: list[tuple[float, float]] = []

    def draw_axes(self, across: Iterable[Tick], up: Iterable[Tick], x_label: str, y_label: str) -> None:
        """Draw a grid, both axes and their labels.

        Args:
            across: Ticks of the horizontal axis.
            up: Ticks of the vertical axis.
            x_label: Label of the horizontal axis.
            y_label: Label of the vertical axis.
        """
        add = self.drawing.add
        for place, text in across:
            add(Line(place, self.top, place, self.bottom, "grid"))
            add(Text(place, self.bottom + 16, text, "muted", "middle"))
        for place, text in up:
            add(Line(self.left, place, self.right, place, "grid"))
            add(Text(self.left - 6, place + 4, text, "muted", "end"))
        add(Line(self.left, self.bottom, self.right, self.bottom, "axis"))
        add(Line(self.left, self.top, self.left, self.bottom, "axis"))
        add(Text((self.left + self.right) / 2, self.bottom + 38, x_label, "muted", "middle"))
        add(Text(2, self.top - 24, y_label, "muted"))

    def draw_legend(self, styles: Mapping[str, Style]) -> None:
        """Draw the mark and the name of every method."""
        for x, y, method in self._legend:
            self.drawing.add(marker(x + 6, y - 4, styles[method].shape, styles[method].css))
            self.drawing.add(Text(x + 18, y, method, "", limit=22))

    def draw_column(self, x: float, marks: Sequence[tuple[float, Style]]) -> None:
        """Draw marks above each other, joined by a line.

        Args:
            x: Their coordinate.
            marks: The other coordinate and the style of each.
        """
        places = [y for y, _ in marks]
        self.drawing.add(Line(x, min(places), x, max(places), "whisker base"))
        for y, style in marks:
            self.drawing.add(marker(x, y, style.shape, style.css))

    def label_place(self, x: float, highest: float, near: float) -> float:
        """Where a label above a column crosses no other.

        Args:
            x: The column.
            highest: Coordinate of its highest mark.
            near: Distance of two columns at which their labels may cross.

        Returns:
            The label's vertical coordinate.
        """
        y = highest - 10
        while any(abs(x - a) < near and abs(y - b) < 13 for a, b in self._labels):
            y -= 13
        self._labels.append((x, y))
        return y


def linear_ticks(axis: Scale, count: int, factor: float) -> list[Tick]:
    """About ``count`` ticks of a linear axis, whose labels are values times a factor."""
    ticks = axis.ticks(count)
    shown = [factor * tick for tick in ticks]
    return [(axis(tick), tick_label(value, shown)) for tick, value in zip(ticks, shown, strict=True)]


def _legend(methods: Sequence[str], width: float) -> tuple[list[tuple[float, float, str]], int]:
    """Coordinates of each method's entry in the legend, and the number of lines of the legend."""
    placed, x, line = [], 0.0, 0
    for method in methods:
        entry_width = 18 + min(columns(method), 22) * 6.6 + 16
        if x and x + entry_width > width:
            x, line = 0.0, line + 1
        placed.append((x, 14.0 + 20 * line, method))
        x += entry_width
    return placed, line + 1
