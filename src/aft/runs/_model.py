"""A trained student, as one uses it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from aft.data import Targets
from aft.models import Student, choose_device, forward_all
from aft.training import load_student

#: Inputs that are encoded and answered together.
CHUNK = 2048


@dataclass(frozen=True)
class Prediction:
    """What a model says of one input.

    Attributes:
        label: The class; for multilabel the classes, joined by ``|``; for regression the value.
        probabilities: Probability of each class; empty for regression.
    """

    label: str | float
    probabilities: dict[str, float] = field(default_factory=dict)

    @property
    def confidence(self) -> float | None:
        """Probability of the predicted class; None where there is no single one."""
        return self.probabilities.get(self.label) if isinstance(self.label, str) else None

    def __repr__(self) -> str:
        """Label and confidence."""
        if isinstance(self.label, float):
            return f"Prediction({self.label:.4g})"
        return f"Prediction({self.label!r}" + (f", {self.confidence:.1%})" if self.confidence is not None else ")")


class Model:
    """A trained student with its preprocessing and labels; make one with `aft.load`.

    Attributes:
        student: The module.
        targets: What its outputs mean.
        config: The run's config.
    """

    def __init__(self, student: Student, targets: Targets, config: dict[str, Any]) -> None:
        self.student = student
        self.targets = targets
        self.config = config

    def logits(self, inputs: Any) -> NDArray[np.float32]:
        """Outputs of raw inputs.

        Args:
            inputs: A sequence of texts, pairs of texts, PIL images, or arrays.

        Returns:
            ``(N, C)``.
        """
        parts = []
        for start in range(0, len(inputs), CHUNK):
            chunk = [inputs[index] for index in range(start, min(start + CHUNK, len(inputs)))]
            parts.append(forward_all(self.student, self.student.backbone.encode(chunk)).logits)
        return np.concatenate(parts) if parts else np.empty((0, self.targets.outputs), dtype=np.float32)

    def predict(self, inputs: Any) -> list[Prediction]:
        """Answer raw inputs.

        Args:
            inputs: A sequence of texts, pairs of texts, PIL images, or arrays.

        Returns:
            One prediction an input, in order.

        Example:
            >>> aft.load("runs/a").predict(["a delight from start to end"])
            [Prediction('positive', 97.1%)]
        """
        return list(self._read(self.logits(inputs)))

    def _read(self, logits: NDArray[np.float32]) -> Iterator[Prediction]:
        wide = torch.from_numpy(logits.astype(np.float64))
        classes = self.targets.classes
        if self.targets.kind == "regression":
            yield from (Prediction(float(row[0]) * self.targets.scale + self.targets.mean) for row in wide.tolist())
        elif self.targets.kind == "multilabel":
            for row in torch.sigmoid(wide).tolist():
                chosen = "|".join(name for name, p in zip(classes, row, strict=True) if p > 0.5)
                yield Prediction(chosen, dict(zip(classes, row, strict=True)))
        else:
            for row in torch.softmax(wide, dim=1).tolist():
                yield Prediction(classes[int(np.argmax(row))], dict(zip(classes, row, strict=True)))

    def __repr__(self) -> str:
        """Name and task."""
        return f"Model({self.config['settings']['student']!r}, {self.targets.kind}, {self.student.size():,} parameters)"


def load(
    run: str | Path, *, student: nn.Module | str | None = None, preprocess: Any = None, device: str = "cpu"
) -> Model:
    """Load a finished run.

    Args:
        run: The run folder.
        student: The module, for a run that trained one handed in; or its ``python:`` name, for a run that trained such a one.
        preprocess: Its preprocessing.
        device: Where to run it.

    Returns:
        The model, in evaluation mode.

    Raises:
        RunError: There is no finished run, or a file of it is not what was written.
        ModelError: A run whose module was not handed in: code that a run names is not run unasked.
    """
    made, targets, config = load_student(run, student, preprocess)
    return Model(made.to(choose_device(device)), targets, config)
