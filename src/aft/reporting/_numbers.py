"""Number formats."""

from dataclasses import dataclass

from aft.core import format_duration

#: Preceded by a no-break space.
PERCENT = "\u00a0%"


def significant(value: float, digits: int = 3) -> str:
    """Format with a few significant digits, and with an exponent only if needed: ``0.0123``, ``1,250``."""
    if value == 0:
        return "0"
    if 1e-4 <= abs(value) < 10**digits:
        text = f"{value:.{digits}g}"
        return minus(text if "e" not in text else f"{float(text):g}")
    return minus(f"{value:,.0f}" if 10**digits <= abs(value) < 1e9 else f"{value:.{digits - 1}e}")


def share(value: float) -> str:
    """Format a share as a whole percentage."""
    return f"{minus(f'{100 * value:.0f}')}{PERCENT}"


def seconds(value: float) -> str:
    """Format a duration in seconds."""
    return "under 1 s" if 0 < value < 1 else format_duration(value)


def minus(text: str) -> str:
    """Replace the hyphen of a negative number by a minus sign, and remove it before zero."""
    if text.startswith("-"):
        return "−" + text[1:] if text.strip("-0.,") else text[1:]
    return text


@dataclass(frozen=True)
class Unit:
    """How the errors of one comparison are formatted.

    Args:
        percent: Whether errors are shares of samples, shown in percent; else they are in the unit of the label.
        digits: Decimals of a percentage, or significant digits.
        name: Name of the error.
    """

    percent: bool
    digits: int
    name: str

    @classmethod
    def of(cls, kind: str, error_name: str, errors: list[float]) -> "Unit":
        """Choose a format by the kind of task, with one more decimal where errors are below one percent."""
        if kind == "regression":
            return cls(percent=False, digits=4, name=error_name.upper() if error_name == "rmse" else error_name)
        small = any(0 < error < 0.01 for error in errors)
        return cls(percent=True, digits=2 if small else 1, name=error_name)

    @property
    def axis(self) -> str:
        """Label of an axis."""
        return f"{self.name}, %" if self.percent else self.name

    def bare(self, value: float) -> str:
        """Format an error without its unit."""
        return minus(f"{100 * value:.{self.digits}f}") if self.percent else significant(value, self.digits)

    def __call__(self, value: float) -> str:
        """Format an error: ``36.1 %``, or ``0.4213``."""
        return f"{self.bare(value)}{PERCENT}" if self.percent else self.bare(value)

    def interval(self, low: float, high: float) -> str:
        """Format an interval: ``34.0 to 38.2 %``."""
        return f"{self.bare(low)} to {self(high)}"

    def signed(self, value: float) -> str:
        """Format a difference with its sign."""
        text = self.bare(value)
        return text if text.startswith("−") or not text.strip("0.,") else f"+{text}"

    def distance(self, value: float) -> str:
        """Format the distance of two errors: ``3.9 points``."""
        return f"{self.bare(value)} points" if self.percent else self.bare(value)
