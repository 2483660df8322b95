"""Learning curves: the task loss over the steps, with one panel per method."""

from collections.abc import Mapping, Sequence

import numpy as np

from aft.reporting._figure import Drawing, Figure, Line, Path, Style, Text, marker
from aft.reporting._numbers import significant
from aft.reporting._scale import Scale, spanning, tick_label
from aft.results import ComparisonResult, MethodResult

WIDTH, HEIGHT = 270.0, 180.0
#: A line with fewer points would say little.
FEWEST = 10
#: Most points of a line. More would not be visible and would enlarge the page.
POINTS = 120

Points = Sequence[tuple[float, float]]


def curve_figures(comparison: ComparisonResult, method_styles: Mapping[str, Style], name: str) -> list[Figure]:
    """Draw the curves of every method on the same axes, with the mean curve of fine-tuning behind them.

    Args:
        comparison: The result.
        method_styles: Style of each method.
        name: Prefix of the names of the figures.

    Returns:
        One panel per method with a curve.
    """
    lines = [(result, _lines(result)) for result in comparison.methods]
    lines = [(result, curves) for result, curves in lines if curves]
    if not lines:
        return []
    points = [point for _, curves in lines for curve in curves for point in curve]
    across = Scale(0.0, max([1.0, *(x for x, _ in points)]), 40, WIDTH - 14)
    up = spanning([y for _, y in points], HEIGHT - 34, 30)
    base = next((_mean(curves) for result, curves in lines if result.method == "finetune"), [])
    return [
        _panel(
            result,
            curves,
            base if result.method != "finetune" else [],
            across,
            up,
            method_styles[result.method],
            f"{name}-{n}",
        )
        for n, (result, curves) in enumerate(lines)
    ]


def _lines(result: MethodResult) -> list[Points]:
    return [_thin(curve.points) for curve in result.curve if len(curve.points) >= FEWEST]


def _thin(points: Points) -> Points:
    keep = np.unique(np.linspace(0, len(points) - 1, min(len(points), POINTS)).round().astype(int))
    return [points[n] for n in keep]


def _mean(curves: Sequence[Points]) -> Points:
    """The mean curve, up to the last step that all curves have."""
    end = min(curve[-1][0] for curve in curves)
    steps = [x for x, _ in curves[0] if x <= end] or [end]
    losses = np.mean([np.interp(steps, [x for x, _ in curve], [y for _, y in curve]) for curve in curves], axis=0)
    return [(step, float(loss)) for step, loss in zip(steps, losses, strict=True)]


def _panel(
    result: MethodResult, curves: Sequence[Points], base: Points, across: Scale, up: Scale, style: Style, name: str
) -> Figure:
    drawing = Drawing(WIDTH, HEIGHT)
    ticks = up.ticks(4)
    for tick in ticks:
        drawing.add(Line(across.start, up(tick), across.end, up(tick), "grid"))
        drawing.add(Text(across.start - 5, up(tick) + 4, tick_label(tick, ticks), "muted", "end"))
    drawing.add(Line(across.start, up.start, across.end, up.start, "axis"))
    steps = across.ticks(3)
    for tick in steps:
        drawing.add(Text(across(tick), up.start + 15, tick_label(tick, steps), "muted", "middle"))
    drawing.add(Text(across.end, HEIGHT - 4, "steps", "muted", "end"))
    behind = [(across(x), up(y)) for x, y in base]
    if behind:
        drawing.add(Path.through(behind, "curve base dashed"))
    if len(curves) > 1:
        for curve in curves:
            drawing.add(Path.through([(across(x), up(y)) for x, y in curve], f"curve thin {style.css}"))
    mean = _mean(curves)
    drawing.add(Path.through([(across(x), up(y)) for x, y in mean], f"curve {style.css}"))
    x, y = mean[-1]
    drawing.add(marker(across(x), up(y), style.shape, style.css, 4.5))
    drawing.add(Text(2, 14, result.method, "strong", limit=18 if behind else 30))
    if behind:
        drawing.add(Text(across.end, 14, "- - finetune", "muted", "end"))
    return Figure(
        name,
        f"Task loss over the steps, {result.method}",
        f"From {significant(mean[0][1])} at step {mean[0][0]:,.0f} to {significant(y)} at step {x:,.0f}, the mean of {len(curves)} "
        f"{'seed' if len(curves) == 1 else 'seeds'}."
        + (f" Fine-tuning ends at {significant(base[-1][1])}." if base else ""),
        drawing,
    )
