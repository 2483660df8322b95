"""Progress of long work: a bar in a terminal, a plain line now and then anywhere else."""

import sys
import time
from types import TracebackType

from tqdm import tqdm


class Progress:
    """Count work as it is done and say how long the rest will take.

    The remaining time is from the average rate of this run, so that it does not swing with each batch.

    Args:
        total: Units of work.
        label: What is being done.
        unit: What is counted.
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
        self._start = self._said = time.monotonic()
        self._quiet = quiet
        self._bar = None
        if not quiet and sys.stderr.isatty():
            self._bar = tqdm(total=total, desc=label, unit=f" {unit}", smoothing=0, leave=False)

    def __call__(self, units: int) -> None:
        """Count some units as done."""
        self._done += units
        if self._bar is not None:
            self._bar.update(units)
            return
        now = time.monotonic()
        if not self._quiet and now - self._said >= self.EVERY and self._done:
            self._said = now
            rest = (now - self._start) / self._done * (self._total - self._done)
            sys.stderr.write(
                f"{self._label}: {self._done} of {self._total} {self._unit}, about {duration(rest)} left\n"
            )

    def skip(self, units: int) -> None:
        """Take off units that need no work: they say nothing about how long the rest will take."""
        self._total -= units
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


def duration(seconds: float) -> str:
    """A time as people say it: ``42 s``, ``3 min 10 s``, ``2 h 5 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def size(count: float) -> str:
    """A number of bytes as people say it: ``12.3 MB``."""
    for unit in ("B", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:.1f} TB"
