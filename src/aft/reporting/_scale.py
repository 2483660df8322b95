"""Axes: from values to coordinates."""

import math
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    """A linear axis.

    Args:
        low: Smallest value.
        high: Largest value.
        start: Coordinate of ``low``.
        end: Coordinate of ``high``; smaller than ``start`` on a vertical axis, because y grows downwards.
    """

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Coordinate of a value."""
        return self.start + (value - self.low) / (self.high - self.low) * (self.end - self.start)

    def ticks(self, count: int) -> list[float]:
        """About ``count`` round values on the axis."""
        return round_values(self.low, self.high, count)


def spanning(values: Iterable[float], start: float, end: float, margin: float = 0.06, floor: float | None = 0) -> Scale:
    """Create an axis that contains some values, with a margin on both sides.

    Args:
        values: At least one value.
        start: First coordinate.
        end: Last coordinate.
        margin: Margin on each side, as a share of the span.
        floor: The axis does not extend below it unless a value does.

    Returns:
        The axis.
    """
    known = list(values)
    low, high = min(known), max(known)
    # The span of an axis must not be zero, even where all values are equal.
    pad = max((high - low) * margin, abs(high) * 1e-3, 1e-9)
    bottom = low - pad if floor is None or low < floor else max(low - pad, floor)
    return Scale(bottom, high + pad, start, end)


def round_values(low: float, high: float, count: int) -> list[float]:
    """About ``count`` multiples of 1, 2 or 5 times a power of ten between two values."""
    rough = (high - low) / max(count, 1)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [n * step for n in range(first, math.floor(high / step + 1e-9) + 1)]


def tick_label(value: float, ticks: list[float]) -> str:
    """Format a tick with as many decimals as the distance between the ticks needs."""
    step = abs(ticks[1] - ticks[0]) if len(ticks) > 1 else abs(value) or 1.0
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    if decimals > 6:
        return f"{value:.3g}"
    text = f"{value:,.{decimals}f}"
    return text.replace("-", "−") if text.strip("-0.,") else text.lstrip("-")


@dataclass(frozen=True)
class LogScale:
    """A logarithmic axis of positive values.

    Args:
        low: Smallest value.
        high: Largest value.
        start: Coordinate of ``low``.
        end: Coordinate of ``high``.
    """

    low: float
    high: float
    start: float
    end: float

    @classmethod
    def spanning(cls, values: Iterable[float], start: float, end: float) -> "LogScale":
        """Create an axis that contains some positive values, and at least a factor of two around them."""
        known = list(values)
        return cls(min(known) / 1.5, max(known) * 1.5, start, end)

    def __call__(self, value: float) -> float:
        """Coordinate of a value."""
        return self.start + math.log(value / self.low) / math.log(self.high / self.low) * (self.end - self.start)

    def ticks(self) -> list[float]:
        """Powers of ten on the axis, or with few of them also 2 and 5 times these."""
        powers = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        factors = (1,) if math.log10(self.high / self.low) > 2.5 else (1, 2, 5)
        return [factor * 10.0**n for n in powers for factor in factors if self.low <= factor * 10.0**n <= self.high]
