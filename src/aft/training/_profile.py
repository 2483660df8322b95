"""Where the time of a training step goes."""

import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from statistics import median
from typing import Any, cast

import torch
from lightning.pytorch.callbacks import Callback
from numpy.typing import NDArray
from torch import nn

from aft.features import FeatureStore

#: Steps that are left out, in which memory is allocated and kernels are chosen, and steps that are then measured.
WARM_UP, MEASURED = 10, 500

FEATURES, BATCHES = "features of the teachers", "batches, apart from features"
PHASES = (
    FEATURES,
    BATCHES,
    "to the device",
    "student",
    "loss and objective",
    "backward",
    "optimiser",
    "the rest of the loop",
)


class StepProfile(Callback):
    """Measures the phases of the first steps after warm-up. It waits for the device at the end of each phase.

    Args:
        student: The student.
    """

    def __init__(self, student: nn.Module) -> None:
        self._seconds: dict[str, list[float]] = defaultdict(list)
        self._step: dict[str, float] = defaultdict(float)
        self._steps, self._mark, self._thread = 0, 0.0, threading.get_ident()
        self._hooks = [
            student.register_forward_pre_hook(lambda *_: self._ends("to the device")),
            student.register_forward_hook(lambda *_: self._ends("student")),
        ]

    def timed(self, stores: Sequence[FeatureStore]) -> list[FeatureStore]:
        """The same stores; what reading from them takes is known if it happens in this thread."""
        return [cast("FeatureStore", _TimedStore(store, self)) for store in stores]

    def read(self, seconds: float) -> None:
        """Take a read from a store into account, unless a thread does it while a step is computed."""
        if threading.get_ident() == self._thread:
            self._step[FEATURES] += seconds

    def rows(self) -> list[tuple[str, float]]:
        """Median milliseconds of each phase; none if there were no steps beyond the warm-up."""
        return [(phase, 1e3 * median(self._seconds[phase])) for phase in PHASES if any(self._seconds[phase])]

    def lines(self) -> Iterator[str]:
        """The rows as lines of text, with their shares."""
        rows = self.rows()
        total, steps = sum(milliseconds for _, milliseconds in rows), len(self._seconds[BATCHES])
        if not rows:
            yield f"profile   no step was measured: the first {WARM_UP} are left out"
            return
        yield f"profile   {total:.2f} ms a step, the median of {steps}:"
        for phase, milliseconds in rows:
            yield f"          {phase:28} {milliseconds:8.2f} ms {milliseconds / total:5.0%}"

    def on_train_start(self, *_: Any) -> None:
        """Start the clock."""
        self._mark = time.perf_counter()

    def on_train_batch_start(self, *_: Any) -> None:
        """A batch has come."""
        self._ends(BATCHES)
        self._step[BATCHES] = max(0.0, self._step[BATCHES] - self._step[FEATURES])

    def on_before_backward(self, *_: Any) -> None:
        """The loss is known."""
        self._ends("loss and objective")

    def on_after_backward(self, *_: Any) -> None:
        """The gradients are known."""
        self._ends("backward")

    def on_before_zero_grad(self, *_: Any) -> None:
        """Lightning clears the gradients of the last step before the backward pass."""
        self._ends("loss and objective")

    def on_before_optimizer_step(self, *_: Any) -> None:
        """The optimiser starts."""
        self._ends("the rest of the loop")

    def on_train_batch_end(self, *_: Any) -> None:
        """A step has ended."""
        self._ends("optimiser")
        self._steps += 1
        if WARM_UP < self._steps <= WARM_UP + MEASURED:
            for phase in PHASES:
                self._seconds[phase].append(self._step[phase])
        self._step.clear()
        if self._steps == WARM_UP + MEASURED:
            self._stop()

    def on_train_end(self, *_: Any) -> None:
        """Leave the student as it was."""
        self._stop()

    def _ends(self, phase: str) -> None:
        if self._steps >= WARM_UP + MEASURED:
            return
        if torch.accelerator.is_available():
            torch.accelerator.synchronize()
        now = time.perf_counter()
        self._step[phase] += now - self._mark
        self._mark = now

    def _stop(self) -> None:
        for hook in self._hooks:
            hook.remove()
        self._hooks.clear()


class _TimedStore:
    """A feature store that says how long reading takes."""

    def __init__(self, store: FeatureStore, profile: StepProfile) -> None:
        self._store, self._profile = store, profile

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def __reduce__(self) -> tuple[Any, ...]:
        return self._store.__reduce__()  # in a process that prepares batches nobody would see the times

    def take(self, rows: NDArray[Any], views: Any = 0) -> NDArray[Any]:
        """What the store gives."""
        start = time.perf_counter()
        values = self._store.take(rows, views)
        self._profile.read(time.perf_counter() - start)
        return values
