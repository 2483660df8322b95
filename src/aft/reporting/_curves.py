"""Learning curves: the task loss over the steps, a panel a method."""

from collections.abc import Mapping, Sequence

import numpy as np

from aft.reporting._comparison import Comparison, Row
from aft.reporting._figure import Drawing, Figure, Line, Path, Style, Text, marker
from aft.reporting._names import method_name
from aft.reporting._numbers import significant
from aft.reporting._scale import Scale, spanning, tick_label

WIDTH, HEIGHT = 270.0, 180.0
#: Points of a line; more of them nobody sees, and the page grows with them.
POINTS = 120

Points = Sequence[tuple[float, float]]


def curve_figures(comparison: Comparison, looks: Mapping[str, Style], name: str) -> list[Figure]:
    """Draw every method's curves on the same axes, with fine-tuning's mean behind them.

    Args:
        comparison: What is shown.
        looks: Methods' shapes and colours.
        name: Start of the figures' names.

    Returns:
        A panel a method that has a curve.
    """
    lines = [(row, _lines(row)) for row in comparison.rows]
    lines = [(row, curves) for row, curves in lines if curves]
    if not lines:
        return []
    points = [point for _, curves in lines for curve in curves for point in curve]
    across = Scale(0.0, max([1.0, *(x for x, _ in points)]), 40, WIDTH - 14)
    up = spanning([y for _, y in points], HEIGHT - 34, 30)
    base = next((_mean(curves) for row, curves in lines if row.method == "finetune"), [])
    return [
        _panel(row, curves, base if row.method != "finetune" else [], across, up, looks[row.method], f"{name}-{n}")
        for n, (row, curves) in enumerate(lines)
    ]


def _lines(row: Row) -> list[Points]:
    return [_thin(curve.points) for curve in row.curve if len(curve.points) > 1]


def _thin(points: Points) -> Points:
    keep = np.unique(np.linspace(0, len(points) - 1, min(len(points), POINTS)).round().astype(int))
    return [points[n] for n in keep]


def _mean(curves: Sequence[Points]) -> Points:
    """The mean curve, as far as all of them go."""
    end = min(curve[-1][0] for curve in curves)
    steps = [x for x, _ in curves[0] if x <= end] or [end]
    losses = np.mean([np.interp(steps, [x for x, _ in curve], [y for _, y in curve]) for curve in curves], axis=0)
    return [(step, float(loss)) for step, loss in zip(steps, losses, strict=True)]


def _panel(
    row: Row, curves: Sequence[Points], base: Points, across: Scale, up: Scale, look: Style, name: str
) -> Figure:
    sheet = Drawing(WIDTH, HEIGHT)
    ticks = up.ticks(4)
    for tick in ticks:
        sheet.add(Line(across.start, up(tick), across.end, up(tick), "grid"))
        sheet.add(Text(across.start - 5, up(tick) + 4, tick_label(tick, ticks), "muted", "end"))
    sheet.add(Line(across.start, up.start, across.end, up.start, "axis"))
    steps = across.ticks(3)
    for tick in steps:
        sheet.add(Text(across(tick), up.start + 15, tick_label(tick, steps), "muted", "middle"))
    sheet.add(Text(across.end, HEIGHT - 4, "steps", "muted", "end"))
    place = [(across(x), up(y)) for x, y in base]
    if place:
        sheet.add(Path.through(place, "curve base dashed"))
    if len(curves) > 1:
        for curve in curves:
            sheet.add(Path.through([(across(x), up(y)) for x, y in curve], f"curve thin {look.css}"))
    mean = _mean(curves)
    sheet.add(Path.through([(across(x), up(y)) for x, y in mean], f"curve {look.css}"))
    x, y = mean[-1]
    sheet.add(marker(across(x), up(y), look.shape, look.css, 4.5))
    sheet.add(Text(2, 14, method_name(row.method), "strong", limit=18 if place else 30))
    if place:
        sheet.add(Text(across.end, 14, "- - fine-tuning", "muted", "end"))
    return Figure(
        name,
        f"Task loss over the steps, {method_name(row.method)}",
        f"From {significant(mean[0][1])} at step {mean[0][0]:,.0f} to {significant(y)} at step {x:,.0f}, the mean of {len(curves)} "
        f"{'seed' if len(curves) == 1 else 'seeds'}."
        + (f" Fine-tuning ends at {significant(base[-1][1])}." if base else ""),
        sheet,
    )
