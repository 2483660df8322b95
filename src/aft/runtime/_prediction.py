"""What a model predicts for an input."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aft.data import Targets


@dataclass(frozen=True, repr=False)
class Prediction:
    """What a model predicts for one input.

    Attributes:
        label: The class; for multi-label tasks the classes, joined by ``|``; for regression the value.
        probabilities: The probability of each class; empty for regression.
    """

    label: str | float
    probabilities: dict[str, float] = field(default_factory=dict)

    @property
    def confidence(self) -> float | None:
        """Probability of the predicted class; None if there is no single one."""
        return self.probabilities.get(self.label) if isinstance(self.label, str) else None

    def __repr__(self) -> str:
        """Label and confidence."""
        if isinstance(self.label, float):
            return f"Prediction({self.label:.4g})"
        return f"Prediction({self.label!r}" + (f", {self.confidence:.1%})" if self.confidence is not None else ")")


def decode(targets: Targets, logits: NDArray[Any]) -> Iterator[Prediction]:
    """Turn outputs into predictions.

    Args:
        targets: The task.
        logits: ``(N, C)``.

    Yields:
        One prediction for each row.
    """
    wide, classes = logits.astype(np.float64), targets.classes
    if targets.kind == "regression":
        yield from (Prediction(float(row[0]) * targets.scale + targets.mean) for row in wide.tolist())
    elif targets.kind == "multilabel":
        for row in (1 / (1 + np.exp(-wide))).tolist():
            chosen = "|".join(name for name, p in zip(classes, row, strict=True) if p > 0.5)
            yield Prediction(chosen, dict(zip(classes, row, strict=True)))
    elif len(wide):
        powers = np.exp(wide - wide.max(axis=1, keepdims=True))
        probabilities = (powers / powers.sum(axis=1, keepdims=True)).tolist()
        for place, row in zip(powers.argmax(axis=1).tolist(), probabilities, strict=True):
            yield Prediction(classes[place], dict(zip(classes, row, strict=True)))
