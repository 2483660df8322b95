"""How good the teachers are, against how good the student gets."""

from collections.abc import Mapping, Sequence

from aft.reporting._comparison import Comparison
from aft.reporting._dots import Dot, Guide, Heading, draw_dots
from aft.reporting._figure import Figure, Style
from aft.reporting._names import method_name
from aft.reporting._numbers import Unit
from aft.reporting._scatter import Column, draw_scatter

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
    points = [
        Column(str(number), comparison.probe.error or 0.0, {row.method: row.error for row in comparison.rows if row.error is not None})
        for number, comparison in known
    ]  # fmt: skip
    return Figure(
        name,
        "Teachers’ quality against the student’s, over all comparisons",
        f"By the comparison’s number. {said}.",
        draw_scatter(points, looks, 720, 400, "teachers’ probe error, %", "student’s error, %"),
        draw_scatter(points, looks, 340, 340, "teachers’ probe error, %", "student’s error, %"),
    )
