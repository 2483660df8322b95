"""What an export has made and found."""

from dataclasses import dataclass
from pathlib import Path

from aft.core import format_size
from aft.runtime import Check


@dataclass(frozen=True)
class Exported:
    """An exported run.

    Attributes:
        folder: Where it is.
        checks: How each way to use it compares with the trained student, by its name: that of the file, as a rule.
        trained: The same numbers of the trained student itself: error and latency.
    """

    folder: Path
    checks: dict[str, Check]
    trained: Check

    def __str__(self) -> str:
        lines = [f"{'':18}{'error':>9}{'alone':>11}{'size':>10}{'agreement':>12}{'difference':>13}"]
        for name, check in {"PyTorch": self.trained, **self.checks}.items():
            error = "-" if check.error is None else f"{check.error:.4f}"
            same = (
                ("", "") if name == "PyTorch" else (f"{100 * check.agreement:.2f} %", f"{check.largest_difference:.1e}")
            )
            lines.append(
                f"{name:18}{error:>9}{check.latency_ms:>8.2f} ms{format_size(check.bytes):>10}{same[0]:>12}{same[1]:>13}"
            )
        which = "test samples" if self.trained.split == "test" else "samples"
        return "\n".join(
            [*lines, f"on {self.trained.samples} {which}; difference: the largest of an output from PyTorch's"]
        )
