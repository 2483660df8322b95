"""Progress of long work: a bar in a terminal, an occasional plain line anywhere else."""

import logging
import sys
import time
from types import TracebackType
from typing import Any


class Progress:
    """Count finished work and estimate the remaining time.

    The estimate uses the average rate so far, so that it does not jump with every batch.

    Args:
        total: Number of units of work.
        label: Name of the work.
        unit: Name of a unit, in the plural.
        quiet: Show nothing.

    Example:
        >>> with Progress(len(samples), "teacher", "samples") as progress:
        ...     progress(32)
    """

    #: Seconds between two plain lines.
    EVERY = 15.0

    def __init__(self, total: int, label: str, unit: str, *, quiet: bool = False) -> None:
        self._total, self._label, self._unit = total, label, unit
        self._done = 0
        self._start = self._shown = time.monotonic()
        self._quiet = quiet
        self._note = ""
        self._bar: Any = None
        if not quiet and sys.stderr.isatty():
            from tqdm import tqdm  # imported on demand: it would be the slowest part of `import aft`

            self._bar = tqdm(
                total=total, desc=label, unit=f" {unit}", smoothing=0, leave=False,
                bar_format="{desc}: {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt}{unit}, {remaining} left{postfix}",
            )  # fmt: skip

    def __call__(self, units: int) -> None:
        """Count some units as finished."""
        self._done += units
        self._total = max(self._total, self._done)  # it may have been an estimate
        if self._bar is not None:
            self._bar.update(units)
            return
        now = time.monotonic()
        if not self._quiet and now - self._shown >= self.EVERY and self._done:
            self._shown = now
            rest = (now - self._start) / self._done * (self._total - self._done)
            sys.stderr.write(
                f"{self._label}: {self._done} of {self._total} {self._unit}, about {format_duration(rest)} left"
                + (f"; {self._note}\n" if self._note else "\n")
            )

    def pause(self, seconds: float) -> None:
        """Leave out time that was spent on something else, so that it does not distort the estimate."""
        self._start += seconds
        if self._bar is not None:
            self._bar.start_t += seconds

    def note(self, text: str) -> None:
        """Show a short text beside the progress."""
        self._note = text
        if self._bar is not None:
            self._bar.set_postfix_str(text, refresh=False)

    def skip(self, units: int) -> None:
        """Subtract units that need no work, so that they do not distort the estimate."""
        self.expect(self._total - self._done - units)

    def expect(self, units: int) -> None:
        """Say how many units are left, where that becomes known only during the work."""
        self._total = self._done + units
        if self._bar is not None:
            self._bar.total = self._total
            self._bar.refresh()

    def __enter__(self) -> "Progress":
        """Start."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Clear the bar."""
        if self._bar is not None:
            self._bar.close()


class LogHandler(logging.StreamHandler[Any]):
    """Writes log messages to the standard error stream, above a progress bar that is shown there."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a message."""
        tqdm = sys.modules.get("tqdm")  # only if a bar has been shown
        if tqdm is None:
            super().emit(record)
        else:
            tqdm.tqdm.write(self.format(record), file=self.stream)


def format_duration(seconds: float) -> str:
    """Format a duration: ``42 s``, ``3 min 10 s``, ``2 h 5 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def format_size(count: float) -> str:
    """Format a number of bytes: ``12.3 MB``."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"
