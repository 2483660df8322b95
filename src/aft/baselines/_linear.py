"""Linear models on sparse features, fitted on labels or on a teacher's soft labels, by scikit-learn."""

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aft.data import Targets
from aft.evaluation import mean_loss, softmax

#: Inverse penalties to choose from.
PENALTIES = (0.3, 1.0, 3.0, 10.0, 30.0)
#: Classes with a smaller share of a soft label are left out.
SMALLEST_SHARE = 0.02
#: The least that a class is worth when penalties are compared.
SMALLEST_PROBABILITY = 1e-12
#: Bias of a class that no sample has.
ABSENT = -1e3
#: Folds of the cross-validation. Of more samples than this, one fold is enough.
FOLDS, MANY = 5, 2000


def choose_penalty(targets: Targets, features: Any, outputs: NDArray[Any]) -> float:
    """Choose the penalty of a linear model by cross-validation.

    Args:
        targets: The task.
        features: A sparse matrix ``(N, F)``.
        outputs: As for `fit_tfidf`.

    Returns:
        The inverse penalty.
    """
    count = features.shape[0]
    fold = np.random.default_rng(0).permutation(count) % FOLDS
    losses = np.zeros(len(PENALTIES))
    for held_out in range(1 if count > MANY else min(FOLDS, count)):
        out = fold == held_out
        for place, penalty in enumerate(PENALTIES):
            weight, bias = fit_linear(targets, features[~out], outputs[~out], penalty)
            logits = np.asarray(features[out] @ weight.T + bias)
            if targets.kind == "classification":
                # A class that the other folds lack costs the same, whatever the penalty.
                logits = np.log(softmax(logits).clip(min=SMALLEST_PROBABILITY))
            losses[place] += out.sum() * mean_loss(targets, logits, outputs[out])
    return PENALTIES[int(losses.argmin())]


def fit_linear(
    targets: Targets, features: Any, outputs: NDArray[Any], penalty: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Fit a linear model: ridge regression for regression, else logistic regression.

    Args:
        targets: The task.
        features: A sparse matrix ``(N, F)``.
        outputs: As for `fit_tfidf`.
        penalty: Inverse of the penalty on the weights.

    Returns:
        Weight ``(C, F)`` and bias ``(C,)``.
    """
    if targets.kind == "regression":
        from sklearn.linear_model import Ridge

        ridge = Ridge(alpha=1 / penalty).fit(features, outputs)
        return ridge.coef_.reshape(1, -1).astype(np.float32), np.array([ridge.intercept_], dtype=np.float32)
    if targets.kind == "multilabel":
        rows = [_fit_logistic(features, outputs[:, c] > 0.5, None, penalty) for c in range(targets.outputs)]
        return np.concatenate([weight for weight, _ in rows]), np.concatenate([bias for _, bias in rows])
    weights = None
    if outputs.ndim == 2:  # a soft label is several samples with weights
        rows_of, classes = np.nonzero(outputs >= np.minimum(SMALLEST_SHARE, outputs.max(axis=1, keepdims=True)))
        features, weights, outputs = features[rows_of], outputs[rows_of, classes], classes
    present, outputs = np.unique(outputs, return_inverse=True)
    full = (
        np.zeros((targets.outputs, features.shape[1]), dtype=np.float32),
        np.full(targets.outputs, ABSENT, dtype=np.float32),
    )
    if len(present) == 1:
        full[1][present] = -ABSENT
        return full
    weight, bias = _fit_logistic(features, outputs, weights, penalty)
    if len(present) == 2:  # one row decides
        weight, bias = np.concatenate([-weight / 2, weight / 2]), np.concatenate([-bias / 2, bias / 2])
    full[0][present], full[1][present] = weight, bias
    return full


def _fit_logistic(
    features: Any, labels: NDArray[Any], weights: NDArray[Any] | None, penalty: float
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    from sklearn.linear_model import LogisticRegression

    if len(np.unique(labels)) < 2:
        constant = -ABSENT if labels[0] else ABSENT
        return np.zeros((1, features.shape[1]), dtype=np.float32), np.array([constant], dtype=np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it did not converge to its own tolerance
        model = LogisticRegression(C=penalty, max_iter=100).fit(features, labels, sample_weight=weights)
    return model.coef_.astype(np.float32), model.intercept_.astype(np.float32)
