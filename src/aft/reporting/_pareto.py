"""Figure of several students: errors against latency, with what needs no student and the teachers' probe."""

from collections.abc import Mapping, Sequence

from aft.reporting._figure import Drawing, Figure, Line, Path, Style, Text
from aft.reporting._numbers import Unit, significant
from aft.reporting._plot import Plot, linear_ticks
from aft.reporting._scale import LogScale, Scale, spanning
from aft.results import Candidate, Pareto, short_name

#: Style of what needs no trained student, and its name in the legend.
BASELINE, BASELINES = Style("hexagon", "teacher"), "needs no student"


def pareto_figure(found: Pareto, method_styles: Mapping[str, Style], unit: Unit, name: str) -> Figure | None:
    """Draw error against latency: one column of marks for each student, one mark for each method.

    Args:
        found: The candidates.
        method_styles: Style of each method.
        unit: How errors are formatted.
        name: Name of the figure.

    Returns:
        The figure, or None for fewer than two students whose latency is known.
    """
    known = [one for one in found.candidates if one.latency_ms is not None and one.latency_ms > 0]
    if len({one.student for one in known if one.method is not None}) < 2:
        return None
    texts = [f"{one.name} {unit(one.error)} at {significant(one.latency_ms or 0.0, 2)} ms" for one in known]
    return Figure(
        name,
        f"{unit.name[:1].upper()}{unit.name[1:]} against latency",
        f"Fastest first: {'; '.join(texts)}."
        + ("" if found.probe is None else f" Dotted line: the teachers’ probe, {unit(found.probe)}."),
        _draw(known, found.probe, method_styles, unit, 720, 400),
        _draw(known, found.probe, method_styles, unit, 340, 360),
    )


def _draw(
    known: Sequence[Candidate],
    probe: float | None,
    method_styles: Mapping[str, Style],
    unit: Unit,
    width: float,
    height: float,
) -> Drawing:
    shown = {**method_styles, BASELINES: BASELINE}
    methods = list(dict.fromkeys(one.method or BASELINES for one in known))
    plot = Plot(methods, width, height)
    across = LogScale.spanning([one.latency_ms or 0.0 for one in known], plot.left + 14, plot.right - 10)
    errors = [one.error for one in known] + ([] if probe is None else [probe])
    up = spanning(errors, plot.bottom - 6, plot.top + 18)
    x_ticks = [(across(tick), significant(tick)) for tick in across.ticks()]
    plot.draw_axes(x_ticks, linear_ticks(up, 6, 100 if unit.percent else 1), "milliseconds for one sample", unit.axis)
    if probe is not None:
        plot.drawing.add(Line(plot.left, up(probe), plot.right, up(probe), "guide dotted"))
        plot.drawing.add(Text(plot.right, up(probe) - 5, "teachers’ probe", "muted haloed", "end"))
    plot.draw_legend(shown)
    plot.drawing.add(_front(known, across, up))
    for student in dict.fromkeys(one.student for one in known):
        members = [one for one in known if one.student == student]
        x = across(members[0].latency_ms or 0.0)
        marks = [(up(one.error), shown[one.method or BASELINES]) for one in members]
        plot.draw_column(x, marks)
        if members[0].method is None:
            plot.drawing.add(Text(x - 9, marks[0][0] + 4, short_name(student), "muted haloed", "end", limit=24))
            continue
        y = plot.label_place(x, min(place for place, _ in marks), near=0.18 * width + 30)
        anchor = "start" if x < plot.left + 70 else "end" if x > plot.right - 90 else "middle"
        edge = {"start": x - 6, "end": x + 6, "middle": x}[anchor]
        plot.drawing.add(Text(edge, y, short_name(student), "strong haloed", anchor, limit=int(width // 25)))
    return plot.drawing


def _front(known: Sequence[Candidate], across: LogScale, up: Scale) -> Path:
    """The lowest error that is possible at each latency, as steps."""
    points: list[tuple[float, float]] = []
    best = float("inf")
    for one in sorted(known, key=lambda one: (one.latency_ms or 0.0, one.error)):
        if one.error < best:
            x = across(one.latency_ms or 0.0)
            points += [(x, up(best))] if points else []
            points.append((x, up(one.error)))
            best = one.error
    points.append((across.end, up(best)))
    return Path.through(points, "curve base")
