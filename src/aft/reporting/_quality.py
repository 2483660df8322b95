"""Figures of the errors of the teachers and of the student."""

from collections.abc import Mapping, Sequence

from aft.reporting._dots import Dot, Guide, Heading, draw_dots
from aft.reporting._figure import Figure, Style
from aft.reporting._numbers import Unit
from aft.reporting._scatter import Column, draw_scatter
from aft.results import ComparisonResult

_TEACHER = Style("diamond", "teacher")
_TOGETHER = Style("hexagon", "teacher")


def ladder_figure(
    comparison: ComparisonResult, method_styles: Mapping[str, Style], unit: Unit, name: str
) -> Figure | None:
    """Draw the error of a probe on each teacher above the errors of the student, on one axis.

    Args:
        comparison: The result.
        method_styles: Style of each method.
        unit: How errors are formatted.
        name: Name of the figure.

    Returns:
        The figure, or None where no probe or no student was measured.
    """
    teachers = sorted(
        (Dot(teacher.name, teacher.probe_error, _TEACHER) for teacher in comparison.teachers if teacher.probe_error is not None),
        key=lambda dot: dot.value,
    )  # fmt: skip
    probe = comparison.probe
    if probe.error is not None and (len(comparison.teachers) > 1 or not teachers):
        teachers.append(Dot("all teachers", probe.error, _TOGETHER, probe.low, probe.high))
    students = [
        Dot(result.method, result.error, method_styles[result.method], result.low, result.high)
        for result in (comparison.finetune, comparison.best)
        if result is not None and result.error is not None
    ]
    if not teachers or not students:
        return None
    rows: list[Dot | Heading] = [Heading("Teachers (linear probe)"), *teachers, Heading("Student"), *students]
    finetune = comparison.finetune.error if comparison.finetune else None
    guides = [Guide("fine-tuned student", finetune, "dashed")] if finetune is not None else []
    texts = [f"{dot.label} {unit(dot.value)}" for dot in (*teachers, *students)]
    return Figure(
        name,
        "Errors of the teachers and of the student",
        f"{', '.join(texts)}.",
        draw_dots(rows, guides, unit, 600, gap=26),
        draw_dots(rows, guides, unit, 340),
    )


def scatter_figure(
    comparisons: Sequence[tuple[int, ComparisonResult]], method_styles: Mapping[str, Style], name: str
) -> Figure | None:
    """Draw the errors of the student against those of the teachers' probe, one column per comparison.

    Args:
        comparisons: Results whose errors are shares of samples, with their numbers on the page.
        method_styles: Style of each method.
        name: Name of the figure.

    Returns:
        The figure, or None for fewer than two comparisons.
    """
    known = [
        (number, comparison)
        for number, comparison in comparisons
        if comparison.probe.error is not None and any(result.error is not None for result in comparison.methods)
    ]
    if len(known) < 2:
        return None
    text = "; ".join(
        f"{number}: probe {Unit(True, 1, '')(comparison.probe.error or 0.0)}, "
        + ", ".join(f"{result.method} {Unit(True, 1, '')(result.error)}" for result in comparison.methods if result.error is not None)
        for number, comparison in known
    )  # fmt: skip
    points = [
        Column(str(number), comparison.probe.error or 0.0, {result.method: result.error for result in comparison.methods if result.error is not None})
        for number, comparison in known
    ]  # fmt: skip
    return Figure(
        name,
        "Errors of the student against that of the teachers’ probe",
        f"By number of the comparison. {text}.",
        draw_scatter(points, method_styles, 720, 400, "teacher probe error, %", "student error, %"),
        draw_scatter(points, method_styles, 340, 340, "teacher probe error, %", "student error, %"),
    )
