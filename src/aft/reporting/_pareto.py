"""Figure of several students: errors against latency, with what needs no student and the teachers' probe."""

from collections.abc import Mapping, Sequence

from aft.reporting._figure import Drawing, Figure, Line, Path, Style, Text, marker
from aft.reporting._numbers import Unit, significant
from aft.reporting._scale import LogScale, Scale, spanning, tick_label
from aft.reporting._scatter import legend_entries
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
    legend, lines = legend_entries(methods, width)
    drawing = Drawing(width, height + 20 * lines)
    top, bottom, left, right = 20 * lines + 40, height + 20 * lines - 46, 44, width - 14
    across = LogScale.spanning([one.latency_ms or 0.0 for one in known], left + 14, right - 10)
    errors = [one.error for one in known] + ([] if probe is None else [probe])
    up = spanning(errors, bottom - 6, top + 18)
    for tick in across.ticks():
        drawing.add(Line(across(tick), top, across(tick), bottom, "grid"))
        drawing.add(Text(across(tick), bottom + 16, significant(tick), "muted", "middle"))
    ticks = up.ticks(6)
    factor = 100 if unit.percent else 1
    for tick in ticks:
        drawing.add(Line(left, up(tick), right, up(tick), "grid"))
        label = tick_label(factor * tick, [factor * one for one in ticks])
        drawing.add(Text(left - 6, up(tick) + 4, label, "muted", "end"))
    drawing.add(Line(left, bottom, right, bottom, "axis"), Line(left, top, left, bottom, "axis"))
    drawing.add(Text((left + right) / 2, bottom + 38, "milliseconds for one sample", "muted", "middle"))
    drawing.add(Text(2, top - 24, unit.axis, "muted"))
    if probe is not None:
        drawing.add(Line(left, up(probe), right, up(probe), "guide dotted"))
        drawing.add(Text(right, up(probe) - 5, "teachers’ probe", "muted haloed", "end"))
    for x, y, method in legend:
        drawing.add(marker(x + 6, y - 4, shown[method].shape, shown[method].css))
        drawing.add(Text(x + 18, y, method, "", limit=22))
    drawing.add(_front(known, across, up))
    taken: list[tuple[float, float]] = []
    for student in dict.fromkeys(one.student for one in known):
        members = [one for one in known if one.student == student]
        x = across(members[0].latency_ms or 0.0)
        places = [up(one.error) for one in members]
        drawing.add(Line(x, min(places), x, max(places), "whisker base"))
        for one, place in zip(members, places, strict=True):
            style = shown[one.method or BASELINES]
            drawing.add(marker(x, place, style.shape, style.css))
        if members[0].method is None:
            drawing.add(Text(x - 9, places[0] + 4, short_name(student), "muted haloed", "end", limit=24))
            continue
        level = min(places) - 10
        while any(abs(x - a) < 0.18 * width + 30 and abs(level - b) < 13 for a, b in taken):
            level -= 13
        taken.append((x, level))
        anchor = "start" if x < left + 70 else "end" if x > right - 90 else "middle"
        edge = {"start": x - 6, "end": x + 6, "middle": x}[anchor]
        drawing.add(Text(edge, level, short_name(student), "strong haloed", anchor, limit=int(width // 25)))
    return drawing


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
