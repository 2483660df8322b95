"""The result of a comparison as a table of plain text."""

from aft.core import format_size
from aft.errors import printable
from aft.results._method_result import MethodResult
from aft.results._schema import Baseline, ComparisonResult, Reference
from aft.results._seeds import seeds_phrase


def format_table(result: ComparisonResult) -> str:
    """Format a result as a table.

    Args:
        result: The result.

    Returns:
        A header, then one line per reference, per baseline and per method. Errors are percentages, or for regression in the unit of
        the label. Beside them are balanced errors where classes are unequal, and else normalised errors. Unknown values are ``-``.
    """
    regression, plain = result.task.kind == "regression", result.finetune
    seeds = seeds_phrase(len(result.seeds)) if result.seeds else ""

    def beside(one: Reference | MethodResult) -> str:
        if result.unequal_classes:
            return format_error(one.balanced_error, regression)
        if isinstance(one, MethodResult):
            return "-" if one.normalised is None else f"{one.normalised:.3f}"
        if not isinstance(one, Baseline):
            return ""
        return f"{one.error / plain.mean:.3f}" if one.error is not None and plain is not None and plain.mean else "-"

    second = "balanced" if result.unequal_classes else "normalised"
    lines = [_row(seeds, "error", second, "gap closed", "vs fine-tuning", "beta")]
    for name, reference in (("majority", result.majority), ("probe", result.probe)):
        if reference.error is not None:
            lines.append(_row(name, format_error(reference.error, regression), beside(reference)))
    lines.extend(_baseline(baseline, beside(baseline), regression) for baseline in result.baselines)
    lines.extend(_line(method, beside(method), regression) for method in result.methods)
    return "\n".join(lines)


def _row(name: str, error: str, second: str = "", gap: str = "", difference: str = "", beta: str = "") -> str:
    """A line of at most 100 characters."""
    return f"{printable(name)[:17]:18}{error:>13}{second:>11}{gap:>11}{difference:>32}  {beta}".rstrip()


def _baseline(baseline: Baseline, second: str, regression: bool) -> str:
    cost = [
        f"{baseline.latency_ms:.2g} ms a sample" if baseline.latency_ms is not None else "",
        format_size(baseline.bytes) if baseline.bytes is not None else "",
    ]
    cheap = ", ".join(text for text in cost if text)
    return _row(baseline.name, format_error(baseline.error, regression), second, difference=cheap)


def _line(method: MethodResult, second: str, regression: bool) -> str:
    scale, digits = (1, 3) if regression else (100, 1)
    spread = "" if method.spread is None else f" ± {method.spread * scale:.{digits}f}"
    gap = "-" if method.gap_closed is None else f"{100 * method.gap_closed:.0f} %"
    beta = "-" if not method.beta else f"{method.beta:g}" + (f" ({method.weighting})" if method.weighting else "")
    error = format_error(method.error, regression) + spread
    return _row(method.method, error, second, gap, _difference(method, regression), beta)


def format_error(value: float | None, regression: bool) -> str:
    """Format an error: as a percentage, or for regression in the unit of the label; ``-`` if it is unknown."""
    return "-" if value is None else f"{value:.3f}" if regression else f"{100 * value:.1f} %"


def _difference(method: MethodResult, regression: bool) -> str:
    if method.same_as_finetune:
        return "the same"
    difference = method.difference
    if difference is None or difference.mean is None:
        return ""
    scale, digits = (1, 3) if regression else (100, 1)
    text = f"{scale * difference.mean:+.{digits}f}"
    if difference.low is not None and difference.high is not None:
        text += f" ({scale * difference.low:+.{digits}f} to {scale * difference.high:+.{digits}f})"
    # Padded to the width of " noise", so that the intervals of all methods line up.
    return text + (" noise" if difference.noise else "      ")
