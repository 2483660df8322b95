"""Lightning callbacks: the time that steps take, stopping early, and state that would be lost."""

import time
from collections.abc import Callable
from typing import Any

import lightning.pytorch as L
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor, nn

from aft.errors import ModelError
from aft.models import kept_random_state


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


class SavedState(Callback):
    """Makes sure that what a training changes is saved: buffers outside the state dict would be lost with the training.

    Args:
        student: The student.
    """

    def __init__(self, student: nn.Module) -> None:
        saved = student.state_dict().keys()
        self._student = student
        self._before: dict[str, Tensor] = {
            name: value.clone() for name, value in student.named_buffers() if name not in saved
        }

    def on_train_batch_end(self, _trainer: Any, _module: Any, _outputs: Any, batch: dict[str, Any], *_: Any) -> None:
        """Compare after the first step.

        Raises:
            ModelError: A buffer has changed that is not saved, and the student's outputs depend on it.
        """
        if not self._before:
            return
        before, self._before = self._before, {}
        buffers = dict(self._student.named_buffers())
        changed = [name for name, value in before.items() if not _equal(buffers[name], value)]
        if changed and not _equal(*self._outputs(batch["inputs"], {name: before[name] for name in changed})):
            raise ModelError(
                f"what a module learns is in its state_dict; training changes its buffer {changed[0]!r}, which is not; register it "
                "without persistent=False"
            )

    def _outputs(self, inputs: Any, before: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
        """The student's outputs for a batch, as it is and with earlier values of some buffers."""
        found = []
        with kept_random_state(), torch.no_grad():
            self._student.eval()
            for values in ({}, before):
                outputs = torch.func.functional_call(self._student, values, (inputs,), strict=False)
                found.append(outputs.logits.clone())
            self._student.train()
        return found[0], found[1]


def _equal(one: Tensor, other: Tensor) -> bool:
    return one.shape == other.shape and torch.allclose(
        one.cpu().float(), other.cpu().float(), rtol=0, atol=0, equal_nan=True
    )
