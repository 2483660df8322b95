"""Errors by method: the figure that answers whether a method helps."""

from collections.abc import Mapping
from dataclasses import dataclass

from aft.reporting._comparison import Comparison
from aft.reporting._dots import Dot, Guide, Heading, draw_dots
from aft.reporting._figure import Figure, Style
from aft.reporting._names import method_name
from aft.reporting._numbers import Unit


def errors_figure(comparison: Comparison, looks: Mapping[str, Style], unit: Unit, name: str) -> Figure | None:
    """Draw each method's error with its interval, lowest first.

    Args:
        comparison: What is shown.
        looks: Methods' shapes and colours.
        unit: How errors are written.
        name: Of the figure.

    Returns:
        The figure; None where no method has an error.
    """
    known = sorted((row for row in comparison.rows if row.error is not None), key=lambda row: row.error or 0.0)
    dots: list[Dot | Heading] = [
        Dot(method_name(row.method), row.error or 0.0, looks[row.method], row.low, row.high, row.errors)
        for row in known
    ]
    if not dots:
        return None
    guides = _guides(comparison)
    words = [
        f"{method_name(row.method)} {unit(row.error or 0.0)}"
        + (f" ({unit.interval(row.low, row.high)})" if row.low is not None and row.high is not None else "")
        for row in known
    ]
    lines = [f"{guide.label} {unit(guide.value)}" for guide in guides]
    return Figure(
        name,
        f"{unit.name[:1].upper()}{unit.name[1:]} by method",
        f"From the lowest: {', '.join(words)}. Vertical lines: {', '.join(lines) or 'none'}.",
        draw_dots(dots, guides, unit, 720),
        draw_dots(dots, guides, unit, 340),
    )


@dataclass(frozen=True)
class _Difference(Unit):
    """Differences are written with their sign."""

    @property
    def axis(self) -> str:
        return f"{self.name} minus that of fine-tuning{', points' if self.percent else ''}"

    def __call__(self, value: float) -> str:
        return self.signed(value)


def differences_figure(comparison: Comparison, looks: Mapping[str, Style], unit: Unit, name: str) -> Figure | None:
    """Draw each method's paired difference from fine-tuning: the errors' figure again, near enough to see.

    Args:
        comparison: What is shown.
        looks: Methods' shapes and colours.
        unit: How errors are written.
        name: Of the figure.

    Returns:
        The figure; None where no method has a difference.
    """
    known = sorted(
        ((row, row.difference) for row in comparison.rows if row.difference and row.method != "finetune"),
        key=lambda pair: pair[1].mean,
    )
    if not known:
        return None
    signed = _Difference(unit.percent, unit.digits, unit.name)
    dots = [
        Dot(
            method_name(row.method) + (" (noise)" if difference.noise else ""),
            difference.mean,
            looks[row.method],
            difference.low,
            difference.high,
        )
        for row, difference in known
    ]
    guides = [Guide("fine-tuning", 0.0, "dashed", told=False)]
    return Figure(
        name,
        "Difference from fine-tuning by method",
        f"From the best: {', '.join(f'{dot.label} {signed(dot.value)}' for dot in dots)}.",
        draw_dots(dots, guides, signed, 720, gap=28),
        draw_dots(dots, guides, signed, 340),
    )


def constant_answer(comparison: Comparison) -> str:
    """What a model that ignores its input says."""
    return "always the mean" if comparison.task.kind == "regression" else "always the same answer"


def far_majority(comparison: Comparison) -> float | None:
    """The error of always giving the most common answer, where it is too far off to share an axis."""
    error = comparison.majority.error
    return error if error is not None and not _near(comparison, error) else None


def _guides(comparison: Comparison) -> list[Guide]:
    finetune, probe, majority = comparison.finetune, comparison.probe.error, comparison.majority.error
    guides = []
    if probe is not None:
        guides.append(Guide("teachers’ probe", probe, "dotted"))
    if finetune is not None and finetune.error is not None:
        guides.append(Guide("fine-tuning", finetune.error, "dashed"))
    if majority is not None and _near(comparison, majority):
        guides.append(Guide(constant_answer(comparison), majority, "dashdot"))
    return guides


def _near(comparison: Comparison, value: float) -> bool:
    known = [error for row in comparison.rows for error in row.errors] + [
        error for error in (comparison.probe.error, *(row.error for row in comparison.rows)) if error is not None
    ]
    if not known:
        return False
    span = max(known) - min(known)
    return value <= max(known) + max(span, 0.1 * abs(max(known)))
