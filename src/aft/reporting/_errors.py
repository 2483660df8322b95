"""Figures of the errors by method, and of their differences from fine-tuning."""

from collections.abc import Mapping
from dataclasses import dataclass

from aft.reporting._dots import Dot, Guide, Heading, draw_dots
from aft.reporting._figure import Figure, Style
from aft.reporting._numbers import Unit
from aft.results import ComparisonResult

#: Style of what needs no trained student.
BASELINE = Style("hexagon", "teacher")


def errors_figure(
    comparison: ComparisonResult, method_styles: Mapping[str, Style], unit: Unit, name: str
) -> Figure | None:
    """Draw the error of each method with its interval, lowest first.

    Args:
        comparison: The result.
        method_styles: Style of each method.
        unit: How errors are formatted.
        name: Name of the figure.

    Returns:
        The figure, or None where no method has an error.
    """
    known = sorted(
        (result for result in comparison.methods if result.error is not None), key=lambda result: result.error or 0.0
    )
    dots: list[Dot | Heading] = [
        Dot(baseline.name, baseline.error, BASELINE, baseline.low, baseline.high)
        for baseline in comparison.baselines
        if baseline.error is not None
    ]
    dots += [
        Dot(
            result.method,
            result.error or 0.0,
            method_styles[result.method],
            result.low,
            result.high,
            result.errors,
        )
        for result in known
    ]
    if not known:
        return None
    dots.sort(key=lambda dot: dot.value if isinstance(dot, Dot) else 0.0)
    guides = _guides(comparison)
    texts = [
        f"{result.method} {unit(result.error or 0.0)}"
        + (f" ({unit.interval(result.low, result.high)})" if result.low is not None and result.high is not None else "")
        for result in known
    ]
    lines = [f"{guide.label} {unit(guide.value)}" for guide in guides]
    return Figure(
        name,
        f"{unit.name[:1].upper()}{unit.name[1:]} by method",
        f"Lowest first: {', '.join(texts)}. Vertical lines: {', '.join(lines) or 'none'}.",
        draw_dots(dots, guides, unit, 600),
        draw_dots(dots, guides, unit, 340),
    )


@dataclass(frozen=True)
class _Difference(Unit):
    """Formats differences with their sign."""

    @property
    def axis(self) -> str:
        return f"{self.name} minus that of fine-tuning{', points' if self.percent else ''}"

    def __call__(self, value: float) -> str:
        return self.signed(value)


def differences_figure(
    comparison: ComparisonResult, method_styles: Mapping[str, Style], unit: Unit, name: str
) -> Figure | None:
    """Draw the paired difference of each method from fine-tuning.

    Args:
        comparison: The result.
        method_styles: Style of each method.
        unit: How errors are formatted.
        name: Name of the figure.

    Returns:
        The figure, or None where no method has a difference.
    """
    dots = [
        Dot(
            result.method + (" (the same)" if result.same_as_finetune else " (noise)" if difference.noise else ""),
            difference.mean,
            method_styles[result.method],
            difference.low,
            difference.high,
        )
        for result in comparison.methods
        if (difference := result.difference) and difference.mean is not None and result.method != "finetune"
    ]
    if not dots:
        return None
    dots.sort(key=lambda dot: dot.value)
    signed = _Difference(unit.percent, unit.digits, unit.name)
    guides = [Guide("fine-tuning", 0.0, "dashed", show_value=False)]
    return Figure(
        name,
        "Difference from fine-tuning by method",
        f"Best first: {', '.join(f'{dot.label} {signed(dot.value)}' for dot in dots)}.",
        draw_dots(dots, guides, signed, 600, gap=28),
        draw_dots(dots, guides, signed, 340),
    )


def off_scale_majority(comparison: ComparisonResult) -> float | None:
    """The error of the constant prediction, where it is too large to share an axis with the methods."""
    error = comparison.majority.error
    return error if error is not None and not _near(comparison, error) else None


def _guides(comparison: ComparisonResult) -> list[Guide]:
    finetune, probe, majority = comparison.finetune, comparison.probe.error, comparison.majority.error
    guides = []
    if probe is not None:
        guides.append(Guide("teachers’ probe", probe, "dotted"))
    if finetune is not None and finetune.error is not None:
        guides.append(Guide("fine-tuning", finetune.error, "dashed"))
    if majority is not None and _near(comparison, majority):
        guides.append(Guide("constant prediction", majority, "dashdot"))
    return guides


def _near(comparison: ComparisonResult, value: float) -> bool:
    means = (comparison.probe.error, *(result.error for result in comparison.methods))
    known = [error for result in comparison.methods for error in result.errors]
    known += [error for error in means if error is not None]
    if not known:
        return False
    span = max(known) - min(known)
    return value <= max(known) + max(span, 0.1 * abs(max(known)))
