"""Errors against errors, a column of marks a thing."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aft.reporting._figure import Drawing, Line, Style, Text, marker
from aft.reporting._names import columns, method_name
from aft.reporting._scale import spanning, tick_label


@dataclass(frozen=True)
class Column:
    """Marks above each other.

    Args:
        label: What stands over them.
        place: Where they stand across, a share.
        errors: How high each stands, by method, a share.
    """

    label: str
    place: float
    errors: Mapping[str, float]


def draw_scatter(
    points: Sequence[Column], looks: Mapping[str, Style], width: float, height: float, across_name: str, up_name: str
) -> Drawing:
    """Draw columns of marks, both axes in percent, with a dotted line where they are equal.

    Args:
        points: The columns.
        looks: Methods' shapes and colours.
        width: Of the sheet.
        height: Of the sheet, without the key.
        across_name: What the one axis says.
        up_name: What the other says.

    Returns:
        The drawing.
    """
    methods = list(dict.fromkeys(method for column in points for method in column.errors))
    key, lines = _key(methods, width)
    sheet = Drawing(width, height + 20 * lines)
    top, bottom, left, right = 20 * lines + 40, height + 20 * lines - 46, 44, width - 14
    across = spanning([column.place for column in points], left + 14, right - 10)
    up = spanning([error for column in points for error in column.errors.values()], bottom - 6, top + 6)

    for axis, count in ((across, 6 if width > 500 else 4), (up, 6)):
        ticks = axis.ticks(count)
        shown = [100 * tick for tick in ticks]
        for tick, value in zip(ticks, shown, strict=True):
            place = axis(tick)
            if axis is across:
                sheet.add(Line(place, top, place, bottom, "grid"))
                sheet.add(Text(place, bottom + 16, tick_label(value, shown), "muted", "middle"))
            else:
                sheet.add(Line(left, place, right, place, "grid"))
                sheet.add(Text(left - 6, place + 4, tick_label(value, shown), "muted", "end"))
    sheet.add(Line(left, bottom, right, bottom, "axis"), Line(left, top, left, bottom, "axis"))
    sheet.add(Text((left + right) / 2, bottom + 38, across_name, "muted", "middle"))
    sheet.add(Text(2, top - 24, up_name, "muted"))
    first, last = max(across.low, up.low), min(across.high, up.high)
    if last > first:
        sheet.add(Line(across(first), up(first), across(last), up(last), "guide dotted"))
    for x, y, method in key:
        sheet.add(marker(x + 6, y - 4, looks[method].shape, looks[method].css))
        sheet.add(Text(x + 18, y, method_name(method), "", limit=22))
    taken: list[tuple[float, float]] = []
    for column in points:
        x, places = across(column.place), [up(error) for error in column.errors.values()]
        sheet.add(Line(x, min(places), x, max(places), "whisker base"))
        for method, error in column.errors.items():
            sheet.add(marker(x, up(error), looks[method].shape, looks[method].css))
        y = min(places) - 10
        while any(abs(x - a) < 16 and abs(y - b) < 13 for a, b in taken):
            y -= 13
        taken.append((x, y))
        sheet.add(Text(x, y, column.label, "strong haloed", "middle"))
    return sheet


def _key(methods: Sequence[str], width: float) -> tuple[list[tuple[float, float, str]], int]:
    """Where each method's entry of the key stands, and how many lines the key has."""
    placed, x, line = [], 0.0, 0
    for method in methods:
        room = 18 + min(columns(method_name(method)), 22) * 6.6 + 16
        if x and x + room > width:
            x, line = 0.0, line + 1
        placed.append((x, 14.0 + 20 * line, method))
        x += room
    return placed, line + 1
