"""How good the teachers are, against how good the student gets."""

from collections.abc import Mapping, Sequence

from aft.reporting._comparison import Comparison
from aft.reporting._dots import Dot, Guide, Heading, draw_dots
from aft.reporting._figure import Drawing, Figure, Line, Style, Text, marker
from aft.reporting._names import columns, method_name
from aft.reporting._numbers import Unit
from aft.reporting._scale import spanning, tick_label

_TEACHER = Style("diamond", "teacher")
_TOGETHER = Style("hexagon", "teacher")


def ladder_figure(comparison: Comparison, looks: Mapping[str, Style], unit: Unit, name: str) -> Figure | None:
    """Draw each teacher's probe above the student's methods, on one axis.

    Args:
        comparison: What is shown.
        looks: Methods' shapes and colours.
        unit: How errors are written.
        name: Of the figure.

    Returns:
        The figure; None without a teacher whose quality is known.
    """
    teachers = sorted(
        (Dot(teacher.name, teacher.probe_error, _TEACHER) for teacher in comparison.teachers if teacher.probe_error is not None),
        key=lambda dot: dot.value,
    )  # fmt: skip
    probe = comparison.probe
    if probe.error is not None and (len(comparison.teachers) > 1 or not teachers):
        teachers.append(Dot("all teachers together", probe.error, _TOGETHER, probe.low, probe.high))
    students = [
        Dot(method_name(row.method), row.error, looks[row.method], row.low, row.high)
        for row in (comparison.finetune, comparison.best)
        if row is not None and row.error is not None
    ]
    if not teachers or not students:
        return None
    rows: list[Dot | Heading] = [Heading("Teachers, by a linear probe"), *teachers, Heading("The student"), *students]
    guides = [Guide("student by fine-tuning", students[0].value, "dashed")] if comparison.finetune else []
    said = [f"{dot.label} {unit(dot.value)}" for dot in (*teachers, *students)]
    return Figure(
        name,
        "Teachers’ quality and the student’s",
        f"{', '.join(said)}.",
        draw_dots(rows, guides, unit, 720, gap=26),
        draw_dots(rows, guides, unit, 340),
    )


def scatter_figure(
    comparisons: Sequence[tuple[int, Comparison]], looks: Mapping[str, Style], name: str
) -> Figure | None:
    """Draw the teachers' probe error against the student's error, a column of marks a comparison.

    Args:
        comparisons: Those whose errors are shares of samples, with their numbers on the page.
        looks: Methods' shapes and colours.
        name: Of the figure.

    Returns:
        The figure; None with fewer than two.
    """
    known = [
        (number, comparison)
        for number, comparison in comparisons
        if comparison.probe.error is not None and any(row.error is not None for row in comparison.rows)
    ]
    if len(known) < 2:
        return None
    said = "; ".join(
        f"{number}: probe {Unit(True, 1, '')(comparison.probe.error or 0.0)}, "
        + ", ".join(f"{method_name(row.method)} {Unit(True, 1, '')(row.error)}" for row in comparison.rows if row.error is not None)
        for number, comparison in known
    )  # fmt: skip
    return Figure(
        name,
        "Teachers’ quality against the student’s, over all comparisons",
        f"By the comparison’s number. {said}.",
        _scatter(known, looks, 720, 400),
        _scatter(known, looks, 340, 340),
    )


def _scatter(
    known: Sequence[tuple[int, Comparison]], looks: Mapping[str, Style], width: float, height: float
) -> Drawing:
    methods = list(dict.fromkeys(row.method for _, comparison in known for row in comparison.rows))
    key, lines = _key(methods, width)
    sheet = Drawing(width, height + 20 * lines)
    top, bottom, left, right = 20 * lines + 40, height + 20 * lines - 46, 44, width - 14
    across = spanning([comparison.probe.error or 0.0 for _, comparison in known], left + 14, right - 10)
    up = spanning([row.error for _, c in known for row in c.rows if row.error is not None], bottom - 6, top + 6)

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
    sheet.add(Text((left + right) / 2, bottom + 38, "teachers’ probe error, %", "muted", "middle"))
    sheet.add(Text(2, top - 24, "student’s error, %", "muted"))
    first, last = max(across.low, up.low), min(across.high, up.high)
    if last > first:
        sheet.add(Line(across(first), up(first), across(last), up(last), "guide dotted"))
    for x, y, method in key:
        sheet.add(marker(x + 6, y - 4, looks[method].shape, looks[method].css))
        sheet.add(Text(x + 18, y, method_name(method), "", limit=22))
    taken: list[tuple[float, float]] = []
    for number, comparison in known:
        x = across(comparison.probe.error or 0.0)
        marks = [(up(row.error), looks[row.method]) for row in comparison.rows if row.error is not None]
        sheet.add(
            Line(
                x,
                min(marks)[0] if len(marks) == 1 else min(y for y, _ in marks),
                x,
                max(y for y, _ in marks),
                "whisker base",
            )
        )
        for y, look in marks:
            sheet.add(marker(x, y, look.shape, look.css))
        y = min(y for y, _ in marks) - 10
        while any(abs(x - a) < 16 and abs(y - b) < 13 for a, b in taken):
            y -= 13
        taken.append((x, y))
        sheet.add(Text(x, y, str(number), "strong haloed", "middle"))
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
