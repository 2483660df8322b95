"""How good predictions are."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aft.data import Targets
from aft.errors import DataError


@dataclass(frozen=True)
class Metrics:
    """Metrics of predictions on labelled samples.

    Attributes:
        error: What is compared: 1 - accuracy; 1 - micro F1 for multilabel; the root mean squared error for regression.
        error_name: Which of these.
        samples: How many samples were measured.
        values: All metrics by name.
    """

    error: float
    error_name: str
    samples: int
    values: dict[str, float] = field(default_factory=dict)

    def __str__(self) -> str:
        shown = ", ".join(f"{name} {value:.4f}" for name, value in self.values.items())
        return f"{shown} ({self.samples} samples)"


def measure(targets: Targets, logits: NDArray[Any], encoded: NDArray[Any]) -> Metrics:
    """Compare outputs with labels.

    Args:
        targets: The task.
        logits: ``(N, C)``.
        encoded: Labels from ``targets.encode``, of labelled samples alone.

    Returns:
        Classification: error, accuracy, macro F1, log loss. Multilabel: error, micro and macro F1, log loss. Regression, in the
        label's own units: RMSE, MAE, R2, Spearman's correlation.

    Raises:
        DataError: No labelled sample.
    """
    if not len(encoded):
        raise DataError("metrics need labelled samples; received none; check the label column and the split")
    from sklearn import metrics as sk

    if targets.kind == "regression":
        predicted = logits[:, 0].astype(np.float64) * targets.scale + targets.mean
        truth = encoded.astype(np.float64) * targets.scale + targets.mean
        rmse = float(np.sqrt(np.mean((predicted - truth) ** 2)))
        values = {"rmse": rmse, "mae": float(np.mean(np.abs(predicted - truth)))}
        if len(truth) > 1 and truth.std() > 0:
            values["r2"] = float(sk.r2_score(truth, predicted))
            values["spearman"] = _spearman(truth, predicted)
        return Metrics(rmse, "rmse", len(encoded), values)
    if targets.kind == "multilabel":
        chosen = logits > 0
        micro = float(sk.f1_score(encoded, chosen, average="micro", zero_division=0.0))
        macro = float(sk.f1_score(encoded, chosen, average="macro", zero_division=0.0))
        values = {"error": 1 - micro, "micro_f1": micro, "macro_f1": macro, "log_loss": _loss(targets, logits, encoded)}
        return Metrics(1 - micro, "1 - micro F1", len(encoded), values)
    best = logits.argmax(axis=1)
    accuracy = float((best == encoded).mean())
    macro = float(sk.f1_score(encoded, best, average="macro", zero_division=0.0))
    values = {
        "error": 1 - accuracy,
        "accuracy": accuracy,
        "macro_f1": macro,
        "log_loss": _loss(targets, logits, encoded),
    }
    return Metrics(1 - accuracy, "error", len(encoded), values)


def calibrated_loss(targets: Targets, logits: NDArray[Any], encoded: NDArray[Any]) -> float:
    """The loss of outputs at their best temperature: what choices are made by on a validation part.

    A count of errors on a few hundred samples is too coarse to choose by, and the loss of a small model trained for long is
    ruled by its overconfidence; at its best temperature the loss is neither.

    Args:
        targets: The task.
        logits: ``(N, C)``.
        encoded: Labels, as for `measure`.

    Returns:
        Mean log loss, or for regression the mean squared error in standardised units.
    """
    if targets.kind == "regression":
        return _loss(targets, logits, encoded)
    return min(_loss(targets, logits * scale, encoded) for scale in np.geomspace(0.05, 5, 47))


def _loss(targets: Targets, logits: NDArray[Any], encoded: NDArray[Any]) -> float:
    wide = logits.astype(np.float64)
    if targets.kind == "regression":
        return float(np.mean((wide[:, 0] - encoded) ** 2))
    if targets.kind == "multilabel":
        return float(np.mean(np.logaddexp(0, wide) - wide * encoded))
    top = wide.max(axis=1, keepdims=True)
    log_sum = top[:, 0] + np.log(np.exp(wide - top).sum(axis=1))
    return float(np.mean(log_sum - wide[np.arange(len(wide)), encoded]))


def _spearman(one: NDArray[Any], two: NDArray[Any]) -> float:
    from scipy.stats import spearmanr

    return float(spearmanr(one, two).statistic) if two.std() > 0 else 0.0
