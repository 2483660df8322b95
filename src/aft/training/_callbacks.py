"""Lightning callbacks: the time that steps take, and stopping early."""

import time
from collections.abc import Callable
from typing import Any

import lightning.pytorch as L
from lightning.pytorch.callbacks import Callback


class Stopwatch(Callback):
    """Measures the time inside steps and the time between them, which is spent waiting for data.

    Args:
        on_step: Called with 1 after every step.

    Attributes:
        inside: Seconds inside steps.
        between: Seconds between steps.
    """

    def __init__(self, on_step: Callable[[int], object] | None = None) -> None:
        self.inside = self.between = 0.0
        self._mark = 0.0
        self._on_step = on_step

    def on_train_start(self, *_: Any) -> None:
        """Start the watch."""
        self._mark = time.perf_counter()

    def on_train_batch_start(self, *_: Any) -> None:
        """A batch has come."""
        now = time.perf_counter()
        self.between += now - self._mark
        self._mark = now

    def on_train_batch_end(self, *_: Any) -> None:
        """A step has ended."""
        now = time.perf_counter()
        self.inside += now - self._mark
        self._mark = now
        if self._on_step is not None:
            self._on_step(1)


class StopEarly(Callback):
    """Stops training after a given step unless a condition holds.

    Args:
        step: The step after which the condition is checked, unless training ends there anyway.
        keep_going: The condition.

    Attributes:
        stopped: Whether training was stopped.
    """

    def __init__(self, step: int, keep_going: Callable[[], bool]) -> None:
        self._step, self._keep_going = step, keep_going
        self.stopped = False

    def on_train_batch_end(self, trainer: L.Trainer, *_: Any) -> None:
        """Check the condition if it is time."""
        if trainer.global_step == self._step < trainer.max_steps and not self._keep_going():
            self.stopped = True
            trainer.should_stop = True
