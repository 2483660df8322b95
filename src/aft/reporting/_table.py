"""The table of methods, each cell in words."""

from dataclasses import dataclass

from aft.reporting._comparison import Comparison, Row
from aft.reporting._figure import Style
from aft.reporting._names import method_name
from aft.reporting._numbers import Unit, seconds, share, significant


@dataclass(frozen=True)
class TableRow:
    """One method's cells.

    Attributes:
        method: Its name.
        style: Its shape and colour.
        lowest: Whether its error is the lowest.
        error: Mean and spread over the seeds; 95 % interval of the mean.
        normalised: Error as a share of fine-tuning's; its interval.
        gap: Share closed of the way from fine-tuning to the teachers' probe.
        against: Paired difference from fine-tuning; its interval.
        strength: The strength; how it was trained.
        cost: Times.
    """

    method: str
    style: Style
    lowest: bool
    error: tuple[str, str]
    normalised: tuple[str, str]
    gap: str
    against: tuple[str, str]
    strength: tuple[str, str]
    cost: str


def table_rows(comparison: Comparison, looks: dict[str, Style], unit: Unit) -> list[TableRow]:
    """Put every method into words, lowest error first.

    Args:
        comparison: What is shown.
        looks: Methods' shapes and colours.
        unit: How errors are written.

    Returns:
        A row a method.
    """
    ordered = sorted(comparison.rows, key=lambda row: (row.error is None, row.error or 0.0))
    return [
        TableRow(
            method_name(row.method),
            looks[row.method],
            row.error is not None and row is ordered[0] and len(ordered) > 1,
            (
                _error(row, unit),
                unit.interval(row.low, row.high) if row.low is not None and row.high is not None else "",
            ),
            _normalised(row),
            share(row.gap_closed) if row.gap_closed is not None and row.method != "finetune" else "–",
            _against(row, unit),
            _strength(row),
            _cost(row),
        )
        for row in ordered
    ]


def _error(row: Row, unit: Unit) -> str:
    if row.error is None:
        return "not measured"
    if row.spread is None or len(row.errors) < 2:
        return unit(row.error)
    return f"{unit.bare(row.error)} ± {unit(row.spread)}"


def _normalised(row: Row) -> tuple[str, str]:
    if row.normalised is None:
        return "–", ""
    low, high = row.normalised_low, row.normalised_high
    known = row.method != "finetune" and low is not None and high is not None
    return f"{row.normalised:.2f}", f"{low:.2f} to {high:.2f}" if known else ""


def _against(row: Row, unit: Unit) -> tuple[str, str]:
    """The difference, and its interval."""
    if row.method == "finetune":
        return "what the others are compared with", ""
    difference = row.difference
    if difference is None:
        return "–", ""
    ends = _ends(difference.low, difference.high, unit)
    if difference.noise:
        return f"no more than noise: {unit.signed(difference.mean)}", ends
    direction = "lower" if difference.mean < 0 else "higher" if difference.mean > 0 else "different"
    return f"{unit.distance(abs(difference.mean))} {direction}", ends


def _ends(low: float | None, high: float | None, unit: Unit) -> str:
    if low is None or high is None:
        return ""
    if low * high > 0:  # "2.3 to 3.2 points lower" needs no signs
        low, high = sorted((abs(low), abs(high)))
        return f"{unit.bare(low)} to {unit.bare(high)}"
    return f"{unit.signed(low)} to {unit.signed(high)}"


def _strength(row: Row) -> tuple[str, str]:
    """The strength, and the other settings."""
    settings = [
        f"{row.steps:,} steps" if row.steps is not None else "",
        f"learning rate {significant(row.lr)}" if row.lr is not None else "",
        f"weight decay {significant(row.weight_decay)}" if row.weight_decay is not None else "",
    ]
    rest = ", ".join(text for text in settings if text)
    if row.same_as_finetune:
        return "0, so fine-tuning itself", rest
    if row.method == "finetune" or row.beta is None:
        return "–", rest
    return f"{'' if row.form == 'none' else row.form + ' '}{significant(row.beta)}", rest


def _cost(row: Row) -> str:
    parts = [
        f"search {seconds(row.search_seconds)}" if row.search_seconds is not None else "",
        f"training {seconds(row.train_seconds)}" if row.train_seconds is not None else "",
    ]
    return ", ".join(part for part in parts if part) or "–"
