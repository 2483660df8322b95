"""Metrics of predictions: errors, F1, log loss, calibration, AUROC, and the confusion matrix."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aft.data import Targets
from aft.errors import DataError, UsageError

#: Number of bins of the expected calibration error.
BINS = 15


@dataclass(frozen=True)
class Metrics:
    """Metrics of predictions on labelled samples.

    Attributes:
        error: The error by which methods are compared: 1 - accuracy for classification, 1 - micro F1 for
            multilabel, and the root mean squared error for regression.
        error_name: Name of that error.
        samples: Number of samples.
        values: All metrics, keyed by name.
    """

    error: float
    error_name: str
    samples: int
    values: dict[str, float] = field(default_factory=dict)

    def __str__(self) -> str:
        shown = ", ".join(f"{name} {value:.4f}" for name, value in self.values.items())
        return f"{shown} ({self.samples} samples)"


def measure(targets: Targets, logits: NDArray[Any], encoded: NDArray[Any]) -> Metrics:
    """Compute the metrics of a model's outputs.

    Args:
        targets: The task.
        logits: ``(N, C)``.
        encoded: Labels from ``targets.encode``, of labelled samples only.

    Returns:
        For classification: error, accuracy, balanced accuracy (the mean recall of the classes that occur), macro F1, Matthews'
        correlation, log loss, Brier score (summed over classes) and expected calibration error (15 bins). For multilabel: error,
        micro F1, macro F1 and log loss. Both include the AUROC, macro-averaged over one-vs-rest problems, if every class has positive and negative
        samples. For an ordinal task also the mean absolute error in classes and Cohen's kappa with quadratic weights. For regression,
        in the units of the labels: RMSE, MAE, R2 and Spearman's correlation.

    Raises:
        DataError: There is no labelled sample.

    Example:
        >>> print(measure(targets, logits, encoded))
        error 0.0810, accuracy 0.9190, ... (1000 samples)
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
        values = {
            "error": 1 - micro,
            "micro_f1": micro,
            "macro_f1": macro,
            "log_loss": mean_loss(targets, logits, encoded),
        }
        values |= _auroc(logits, np.asarray(encoded) > 0)
        return Metrics(1 - micro, "1 - micro F1", len(encoded), values)
    best = logits.argmax(axis=1)
    accuracy = float((best == encoded).mean())
    macro = float(sk.f1_score(encoded, best, average="macro", zero_division=0.0))
    values = {
        "error": 1 - accuracy,
        "accuracy": accuracy,
        "balanced_accuracy": float(sk.recall_score(encoded, best, labels=np.unique(encoded), average="macro")),
        "macro_f1": macro,
        "matthews": float(sk.matthews_corrcoef(encoded, best)),
        "log_loss": mean_loss(targets, logits, encoded),
    }
    probabilities = softmax(logits)
    if targets.ordered:
        values["mae"] = float(np.abs(best - encoded).mean())
        if len(np.unique([best, encoded])) > 1:
            values["quadratic_kappa"] = float(sk.cohen_kappa_score(encoded, best, weights="quadratic"))
    truth = np.eye(logits.shape[1], dtype=bool)[encoded]
    values["brier"] = float(((probabilities - truth) ** 2).sum(axis=1).mean())
    values["ece"] = _calibration_error(probabilities.max(axis=1), best == encoded)
    values |= _auroc(probabilities, truth)
    return Metrics(1 - accuracy, "error", len(encoded), values)


def confusion(targets: Targets, logits: NDArray[Any], encoded: NDArray[Any]) -> NDArray[np.int64]:
    """Compute the confusion matrix of a classification.

    Args:
        targets: The task, which must be a classification.
        logits: ``(N, C)``.
        encoded: Class indices ``(N,)`` from ``targets.encode``, of labelled samples only.

    Returns:
        Counts ``(C, C)``: rows are true classes and columns are predicted classes, in the order of
        ``targets.classes``.

    Raises:
        UsageError: The task is not a classification.
    """
    if targets.kind != "classification":
        raise UsageError(
            f"a confusion matrix needs a classification task; received {targets.kind}; use its metrics instead"
        )
    counts = np.zeros((targets.outputs, targets.outputs), dtype=np.int64)
    np.add.at(counts, (np.asarray(encoded, dtype=np.int64), logits.argmax(axis=1)), 1)
    return counts


def calibrated_loss(targets: Targets, logits: NDArray[Any], encoded: NDArray[Any]) -> float:
    """Compute the loss at the best temperature, the criterion for choices on a validation split.

    An error count on a few hundred samples is too coarse a criterion, and the log loss of a small model after
    long training is dominated by overconfidence. The log loss at the best temperature has neither weakness.

    Args:
        targets: The task.
        logits: ``(N, C)``.
        encoded: Labels, as for `measure`; for a classification also probabilities ``(N, C)``.

    Returns:
        The mean log loss or, for regression, the mean squared error in standardised units.
    """
    if targets.kind == "regression":
        return mean_loss(targets, logits, encoded)
    return min(mean_loss(targets, logits * scale, encoded) for scale in np.geomspace(0.05, 5, 47))


def mean_loss(targets: Targets, logits: NDArray[Any], encoded: NDArray[Any]) -> float:
    """Compute the mean log loss or, for regression, the mean squared error in standardised units.

    Args:
        targets: The task.
        logits: ``(N, C)``.
        encoded: As for `calibrated_loss`.
    """
    wide = logits.astype(np.float64)
    if targets.kind == "regression":
        return float(np.mean((wide[:, 0] - encoded) ** 2))
    if targets.kind == "multilabel":
        return float(np.mean(np.logaddexp(0, wide) - wide * encoded))
    top = wide.max(axis=1, keepdims=True)
    log_sum = top[:, 0] + np.log(np.exp(wide - top).sum(axis=1))
    chosen = (wide * encoded).sum(axis=1) if encoded.ndim == 2 else wide[np.arange(len(wide)), encoded]
    return float(np.mean(log_sum - chosen))


def softmax(logits: NDArray[Any]) -> NDArray[np.float64]:
    """Probabilities ``(N, C)`` of logits ``(N, C)``."""
    wide = logits.astype(np.float64)
    powers: NDArray[np.float64] = np.exp(wide - wide.max(axis=1, keepdims=True))
    probabilities: NDArray[np.float64] = powers / powers.sum(axis=1, keepdims=True)
    return probabilities


def soft_labels(targets: Targets, outputs: NDArray[Any]) -> NDArray[np.float64]:
    """What outputs ``(N, C)`` predict: probabilities ``(N, C)``, or for regression values ``(N,)``."""
    wide = outputs.astype(np.float64)
    if targets.kind == "regression":
        return np.asarray(wide[:, 0])
    return np.asarray(1 / (1 + np.exp(-wide))) if targets.kind == "multilabel" else softmax(wide)


def _calibration_error(confidence: NDArray[np.float64], correct: NDArray[np.bool_]) -> float:
    """Expected calibration error: gap of confidence and accuracy over bins of equal width, weighted by size."""
    if not np.isfinite(confidence).all():
        return float("nan")
    bins = np.ceil(confidence * BINS).astype(np.int64).clip(1, BINS) - 1
    gaps = np.bincount(bins, weights=confidence - correct, minlength=BINS)
    return float(np.abs(gaps).sum() / len(confidence))


def _auroc(scores: NDArray[Any], truth: NDArray[np.bool_]) -> dict[str, float]:
    """AUROC averaged over classes; empty if a class lacks positives or negatives, or a score is not finite."""
    if not np.isfinite(scores).all() or not (truth.any(axis=0) & ~truth.all(axis=0)).all():
        return {}
    from sklearn.metrics import roc_auc_score

    return {"auroc": float(roc_auc_score(truth, scores, average="macro"))}


def _spearman(one: NDArray[Any], two: NDArray[Any]) -> float:
    from scipy.stats import spearmanr

    return float(spearmanr(one, two).statistic) if two.std() > 0 else 0.0
