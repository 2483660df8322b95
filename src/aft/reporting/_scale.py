"""From values to places."""

import math
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    """A straight axis.

    Args:
        low: Value at ``start``.
        high: Value at ``end``.
        start: First place.
        end: Last place; before ``start`` for an axis that goes up the page.
    """

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """The place of a value."""
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)

    def ticks(self, count: int) -> list[float]:
        """About so many round values on the axis."""
        return round_values(self.low, self.high, count)


def spanning(values: Iterable[float], start: float, end: float, margin: float = 0.06, floor: float | None = 0) -> Scale:
    """An axis that holds some values with a margin on both sides.

    Args:
        values: At least one.
        start: First place.
        end: Last place.
        margin: Share of the span to add on each side.
        floor: The axis does not go below it unless a value does.

    Returns:
        The axis.
    """
    known = list(values)
    low, high = min(known), max(known)
    # Equal values, or nearly, still need an axis.
    pad = max((high - low) * margin, abs(high) * 1e-3, 1e-9)
    bottom = low - pad if floor is None or low < floor else max(low - pad, floor)
    return Scale(bottom, high + pad, start, end)


def round_values(low: float, high: float, count: int) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten between two values, about so many."""
    rough = (high - low) / max(count, 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [n * step for n in range(first, math.floor(high / step + 1e-9) + 1)]


def tick_label(value: float, ticks: list[float]) -> str:
    """A tick's number with as many decimals as the distance of the ticks needs."""
    step = abs(ticks[1] - ticks[0]) if len(ticks) > 1 else abs(value) or 1.0
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    if decimals > 6:
        return f"{value:.3g}"
    text = f"{value:,.{decimals}f}"
    return text.replace("-", "−") if text.strip("-0.,") else text.lstrip("-")
