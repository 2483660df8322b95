"""The validation loss during training: its curve, and stopping when it no longer falls."""

from collections.abc import Callable
from typing import Any

import lightning.pytorch as L
from lightning.pytorch.callbacks import Callback
from torch import Tensor, nn

from aft.core import broadcast_object
from aft.runs import CurvePoint

#: Without patience, the most points of a curve.
POINTS = 10


class ValidationCurve(Callback):
    """Measures the student on the validation split while it is trained.

    With patience, training stops when the loss has not improved for so many epochs, and the student gets back the weights of
    the best epoch. Without it, training is the same as without this callback.

    Args:
        student: What is measured.
        measure: Returns the validation loss and error.
        epoch: Steps per epoch.
        steps: Steps of the training.
        patience: Number of epochs without improvement after which to stop; None never stops.
        on_point: Called with each point.

    Attributes:
        points: The curve.
    """

    def __init__(
        self,
        student: nn.Module,
        measure: Callable[[], tuple[float, float]],
        epoch: float,
        steps: int,
        patience: int | None,
        on_point: Callable[[CurvePoint], object],
    ) -> None:
        self.points: list[CurvePoint] = []
        self._student, self._measure, self._epoch, self._steps = student, measure, epoch, steps
        self._patience, self._on_point = patience, on_point
        epochs = max(1, round(steps / epoch))
        stride = 1 if patience is not None else -(-epochs // POINTS)
        self._places = {min(steps, max(1, round(epoch * n))) for n in range(stride, epochs + 1, stride)} | {steps}
        self._best: dict[str, Tensor] = {}

    @property
    def best(self) -> CurvePoint | None:
        """The first point with the lowest loss."""
        return min(self.points, key=lambda point: point.loss, default=None)

    def on_train_batch_end(self, trainer: L.Trainer, *_: Any) -> None:
        """Measure after the last step of an epoch."""
        step = trainer.global_step
        if step not in self._places or (self.points and self.points[-1].step >= step):
            return
        loss, error = self._measure()
        point = CurvePoint(step, round(step / self._epoch, 2), loss, error)
        self.points.append(point)
        self._on_point(point)
        if self._patience is None:
            return
        if self.best is point:
            self._best = {name: value.detach().cpu().clone() for name, value in self._student.state_dict().items()}
        if broadcast_object(self._is_exhausted()):
            trainer.should_stop = True

    def on_train_start(self, trainer: L.Trainer, *_: Any) -> None:
        """Stop again where a training that resumes had been stopped."""
        if broadcast_object(self._is_exhausted()):
            trainer.should_stop = True

    def _is_exhausted(self) -> bool:
        """Whether the loss has not improved for so long."""
        if self._patience is None or self.best is None:
            return False
        return len(self.points) - 1 - self.points.index(self.best) >= self._patience

    def on_train_end(self, *_: Any) -> None:
        """Return to the best weights."""
        if self._best:
            self._student.load_state_dict(self._best)

    def state_dict(self) -> dict[str, Any]:
        """The curve and the best weights, for a training that resumes."""
        return {"points": [tuple(point) for point in self.points], "best": self._best}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the curve and the best weights."""
        self.points = [CurvePoint(*point) for point in state_dict["points"]]
        self._best = state_dict["best"]
