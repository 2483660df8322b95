"""The content of the page, as the templates receive it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from aft.reporting._confusion import PAIRS, Confusion, confusions
from aft.reporting._curves import curve_figures
from aft.reporting._environment import environment
from aft.reporting._errors import differences_figure, errors_figure, off_scale_majority
from aft.reporting._facts import data_name, facts
from aft.reporting._figure import Figure, Style, styles
from aft.reporting._gates import GatesPanel, gate_panels
from aft.reporting._numbers import Unit
from aft.reporting._overview import overview
from aft.reporting._pareto import pareto_figure
from aft.reporting._quality import ladder_figure, scatter_figure
from aft.reporting._table import TableRow, baseline_rows, table_rows
from aft.results import Comparison, ComparisonResult, MethodResult, make_pareto, same_task

#: Stands in the head of every page. A file without it is not replaced by a report.
GENERATOR = "aft report"


@dataclass(frozen=True)
class Section:
    """Everything that is shown of one comparison.

    Attributes:
        number: Its number on the page, which prefixes the ids of its elements.
        name: Its name.
        comparison: Its result.
        unit: How its errors are formatted.
        conclusions: What the numbers mean, in sentences.
        off_scale: The error of the constant prediction, where it is too large for the figure; else empty.
        errors: Errors by method.
        differences: Differences from fine-tuning.
        table: Methods in numbers.
        baselines: What needs no trained student, in numbers.
        metrics: Names of all metrics.
        quality: Errors of the teachers and of the student.
        gates: Gates by teacher.
        curves: Learning curves.
        confusions: Confusions of the best method and of fine-tuning.
        searches: Results with trials.
        facts: What was run.
    """

    number: int
    name: str
    comparison: ComparisonResult
    unit: Unit
    conclusions: Sequence[str]
    off_scale: str
    errors: Figure | None
    differences: Figure | None
    table: Sequence[TableRow]
    baselines: Sequence[tuple[str, str, tuple[str, str], str, str]]
    metrics: Sequence[str]
    quality: Figure | None
    gates: Sequence[GatesPanel]
    curves: Sequence[Figure]
    confusions: Sequence[Confusion]
    searches: Sequence[MethodResult]
    facts: Sequence[tuple[str, Sequence[str]]]


def render(comparisons: Mapping[str, ComparisonResult]) -> str:
    """Render the page.

    Args:
        comparisons: Results by name, at least one.

    Returns:
        HTML.
    """
    method_styles = styles([result.method for comparison in comparisons.values() for result in comparison.methods])
    named = (
        {data_name(comparison, name): comparison for name, comparison in comparisons.items()}
        if len(comparisons) == 1
        else dict(comparisons)
    )
    sections = [_section(n, name, comparison, method_styles) for n, (name, comparison) in enumerate(named.items(), 1)]
    in_percent = [(section.number, section.comparison) for section in sections if section.unit.percent]
    several = len(sections) > 1
    students = {section.comparison.student.name for section in sections}
    found = None
    if len(students) > 1 and same_task(comparisons):
        found = make_pareto(Path(), {name: Comparison(Path(name), one) for name, one in comparisons.items()})
    return environment().get_template("page.html.jinja").render(
        generator=GENERATOR,
        sections=sections,
        overview=overview(named) if several else None,
        scatter=scatter_figure(in_percent, method_styles, "all-quality") if several and found is None else None,
        pareto=found,
        pareto_figure=None if found is None else pareto_figure(found, method_styles, sections[0].unit, "students"),
        left_out=len(sections) - len(in_percent),
        pairs=PAIRS,
    )  # fmt: skip


def _section(number: int, name: str, comparison: ComparisonResult, method_styles: dict[str, Style]) -> Section:
    known = [error for result in comparison.methods if (error := result.error) is not None]
    unit = Unit.of(comparison.task.kind, comparison.task.error_name, known)
    majority = off_scale_majority(comparison)
    prefix = f"c{number}"
    return Section(
        number,
        name,
        comparison,
        unit,
        comparison.conclusions or [_default_conclusion(comparison, name)],
        unit(majority) if majority is not None else "",
        errors_figure(comparison, method_styles, unit, f"{prefix}-errors-figure"),
        differences_figure(comparison, method_styles, unit, f"{prefix}-differences"),
        table_rows(comparison, method_styles, unit),
        baseline_rows(comparison, unit),
        list(dict.fromkeys(metric for result in comparison.methods for metric in result.metrics)),
        ladder_figure(comparison, method_styles, unit, f"{prefix}-quality-figure"),
        gate_panels(comparison, f"{prefix}-gate"),
        curve_figures(comparison, method_styles, f"{prefix}-curve"),
        confusions(comparison),
        [result for result in comparison.methods if result.trials],
        facts(comparison, unit),
    )


def _default_conclusion(comparison: ComparisonResult, name: str) -> str:
    count = len(comparison.methods)
    return f"{count} {'method was' if count == 1 else 'methods were'} compared on {name}."
