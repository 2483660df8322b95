"""The page: what stands on it, in which order, handed to the templates."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from aft.reporting._comparison import Comparison, Row
from aft.reporting._confusion import PAIRS, Confusion, confusions
from aft.reporting._curves import curve_figures
from aft.reporting._environment import environment
from aft.reporting._errors import constant_answer, differences_figure, errors_figure, far_majority
from aft.reporting._facts import facts, name_of
from aft.reporting._figure import Figure, Style, styles
from aft.reporting._gates import GatesPanel, gate_panels
from aft.reporting._numbers import Unit
from aft.reporting._overview import overview
from aft.reporting._quality import ladder_figure, scatter_figure
from aft.reporting._table import TableRow, table_rows

#: In every page's head, and so what a file must hold to be replaced by another page.
GENERATOR = "aft report"


@dataclass(frozen=True)
class Section:
    """Everything that is shown of one comparison.

    Attributes:
        number: Of the comparison on the page; starts the names of its parts.
        name: What it is called.
        comparison: What was read.
        unit: How its errors are written.
        words: What came out, in sentences.
        far: A word on a reference that is too far off for the figure.
        errors: Errors by method.
        differences: Their differences from fine-tuning.
        table: The same and more, as a table.
        metrics: Names of all metrics, for the table of them.
        quality: Teachers and student.
        gates: How much of each teacher is used.
        curves: Learning curves.
        confusions: Confusions of the best method and of fine-tuning.
        searches: Rows with their trials.
        facts: What was run.
    """

    number: int
    name: str
    comparison: Comparison
    unit: Unit
    words: Sequence[str]
    far: str
    errors: Figure | None
    differences: Figure | None
    table: Sequence[TableRow]
    metrics: Sequence[str]
    quality: Figure | None
    gates: Sequence[GatesPanel]
    curves: Sequence[Figure]
    confusions: Sequence[Confusion]
    searches: Sequence[Row]
    facts: Sequence[tuple[str, Sequence[str]]]


def render(comparisons: Mapping[str, Comparison]) -> str:
    """Write the page.

    Args:
        comparisons: By name; at least one.

    Returns:
        HTML.
    """
    looks = styles([row.method for comparison in comparisons.values() for row in comparison.rows])
    named = (
        {name_of(comparison, name): comparison for name, comparison in comparisons.items()}
        if len(comparisons) == 1
        else dict(comparisons)
    )
    sections = [_section(n, name, comparison, looks) for n, (name, comparison) in enumerate(named.items(), 1)]
    shares = [(section.number, section.comparison) for section in sections if section.unit.percent]
    several = len(sections) > 1
    return environment().get_template("page.html.jinja").render(
        generator=GENERATOR,
        sections=sections,
        overview=overview(named) if several else None,
        scatter=scatter_figure(shares, looks, "all-quality") if several else None,
        left_out=len(sections) - len(shares),
        pairs=PAIRS,
    )  # fmt: skip


def _section(number: int, name: str, comparison: Comparison, looks: dict[str, Style]) -> Section:
    known = [error for row in comparison.rows if (error := row.error) is not None]
    unit = Unit.of(comparison.task.kind, comparison.task.error_name, known)
    far = far_majority(comparison)
    start = f"c{number}"
    return Section(
        number,
        name,
        comparison,
        unit,
        comparison.words or [_plain(comparison, name)],
        f"{constant_answer(comparison)} has {unit(far)}, beyond the right edge" if far is not None else "",
        errors_figure(comparison, looks, unit, f"{start}-errors-figure"),
        differences_figure(comparison, looks, unit, f"{start}-differences"),
        table_rows(comparison, looks, unit),
        list(dict.fromkeys(metric for row in comparison.rows for metric in row.metrics)),
        ladder_figure(comparison, looks, unit, f"{start}-quality-figure"),
        gate_panels(comparison, f"{start}-gate"),
        curve_figures(comparison, looks, f"{start}-curve"),
        confusions(comparison),
        [row for row in comparison.rows if row.trials],
        facts(comparison, unit),
    )


def _plain(comparison: Comparison, name: str) -> str:
    count = len(comparison.rows)
    return f"{count} {'method was' if count == 1 else 'methods were'} compared on {name}."
