"""The table of methods, with every cell formatted as text."""

import math
from dataclasses import dataclass

from aft.core import format_size
from aft.reporting._figure import Style
from aft.reporting._numbers import Unit, seconds, share, significant
from aft.results import Baseline, ComparisonResult, MethodResult, seeds_phrase


@dataclass(frozen=True)
class TableRow:
    """The cells of one method. A pair is a cell with a second line in small print.

    Attributes:
        method: Name of the method.
        style: Its style.
        lowest: Whether its error is the lowest.
        error: Mean and spread over the seeds; interval of the mean.
        normalised: Error divided by that of fine-tuning; its interval.
        gap: Share of the gap between fine-tuning and the teachers' probe that is closed.
        difference: Paired difference from fine-tuning; its interval.
        beta: Beta and weighting; the other settings.
        cost: Durations.
    """

    method: str
    style: Style
    lowest: bool
    error: tuple[str, str]
    normalised: tuple[str, str]
    gap: str
    difference: tuple[str, str]
    beta: tuple[str, str]
    cost: str


def table_rows(comparison: ComparisonResult, method_styles: dict[str, Style], unit: Unit) -> list[TableRow]:
    """Format every method, lowest error first.

    Args:
        comparison: The result.
        method_styles: Style of each method.
        unit: How errors are formatted.

    Returns:
        One row per method.
    """
    ordered = sorted(comparison.methods, key=lambda result: (result.error is None, result.error or 0.0))
    return [
        TableRow(
            result.method,
            method_styles[result.method],
            result.error is not None and result is ordered[0] and len(ordered) > 1,
            (
                _error(result, unit),
                _small_print(comparison, result, unit, _from_seeds(result)),
            ),
            _normalised(result),
            share(result.gap_closed) if result.gap_closed is not None and result.method != "finetune" else "–",
            _difference(result, unit),
            _beta(result),
            _cost(result),
        )
        for result in ordered
    ]


def baseline_rows(comparison: ComparisonResult, unit: Unit) -> list[tuple[str, str, tuple[str, str], str, str]]:
    """Format what needs no trained student, lowest error first.

    Returns:
        Name, description, error with its interval, normalised error, and cost.
    """
    plain = comparison.finetune.error if comparison.finetune is not None else None
    rows = []
    for baseline in sorted(comparison.baselines, key=lambda one: math.inf if one.error is None else one.error):
        if baseline.error is None:
            continue
        cost = [
            f"{significant(baseline.latency_ms, 2)} ms per sample" if baseline.latency_ms is not None else "",
            format_size(baseline.bytes) if baseline.bytes is not None else "",
        ]
        normalised = f"{baseline.error / plain:.2f}" if plain else "–"
        rows.append(
            (
                baseline.name,
                baseline.what,
                (unit(baseline.error), _small_print(comparison, baseline, unit)),
                normalised,
                ", ".join(filter(None, cost)),
            )
        )
    return rows


def _from_seeds(result: MethodResult) -> str:
    """How many seeds an interval is from, and that those of few seeds are rough."""
    phrase = seeds_phrase(len(result.errors)).replace(" ", "\N{NO-BREAK SPACE}")  # in a narrow cell
    return f" ({phrase})" if result.errors else ""


def _small_print(comparison: ComparisonResult, one: MethodResult | Baseline, unit: Unit, seeds: str = "") -> str:
    """The interval of an error, and the balanced error where classes are unequal."""
    interval = "" if one.low is None or one.high is None else unit.interval(one.low, one.high) + seeds
    if not comparison.unequal_classes or one.balanced_error is None:
        return interval
    return f"{interval}; balanced {unit(one.balanced_error)}" if interval else f"balanced {unit(one.balanced_error)}"


def _error(result: MethodResult, unit: Unit) -> str:
    if result.error is None:
        return "not measured"
    if result.spread is None or len(result.errors) < 2:
        return unit(result.error)
    return f"{unit.bare(result.error)} ± {unit(result.spread)}"


def _normalised(result: MethodResult) -> tuple[str, str]:
    if result.normalised is None:
        return "–", ""
    low, high = result.normalised_low, result.normalised_high
    known = result.method != "finetune" and low is not None and high is not None
    return f"{result.normalised:.2f}", f"{low:.2f} to {high:.2f}{_from_seeds(result)}" if known else ""


def _difference(result: MethodResult, unit: Unit) -> tuple[str, str]:
    if result.method == "finetune":
        return "baseline", ""
    difference = result.difference
    if difference is None or difference.mean is None:
        return "–", ""
    if result.same_as_finetune:
        return "the same", ""
    ends = _ends(difference.low, difference.high, unit)
    ends += _from_seeds(result) if ends else ""
    if difference.noise:
        return f"within noise: {unit.signed(difference.mean)}", ends
    direction = "lower" if difference.mean < 0 else "higher" if difference.mean > 0 else "different"
    return f"{unit.distance(abs(difference.mean))} {direction}", ends


def _ends(low: float | None, high: float | None, unit: Unit) -> str:
    if low is None or high is None:
        return ""
    if low * high > 0:  # "2.3 to 3.2 points lower" needs no signs
        low, high = sorted((abs(low), abs(high)))
        return f"{unit.bare(low)} to {unit.bare(high)}"
    return f"{unit.signed(low)} to {unit.signed(high)}"


def _beta(result: MethodResult) -> tuple[str, str]:
    settings = [
        f"{result.steps:,} steps" if result.steps is not None else "",
        f"learning rate {significant(result.lr)}" if result.lr is not None else "",
        f"weight decay {significant(result.weight_decay)}" if result.weight_decay is not None else "",
    ]
    others = ", ".join(text for text in settings if text)
    if result.same_as_finetune:
        return "0, which is fine-tuning", others
    if result.method == "finetune" or result.beta is None:
        return "–", others
    return significant(result.beta) + (f" ({result.weighting})" if result.weighting else ""), others


def _cost(result: MethodResult) -> str:
    parts = [
        f"search {seconds(result.search_seconds)}" if result.search_seconds is not None else "",
        f"training {seconds(result.train_seconds)}" if result.train_seconds is not None else "",
    ]
    return ", ".join(part for part in parts if part) or "–"
