"""The references of every comparison: a linear probe on the teachers' features, and a constant prediction."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aft.comparison._predictions import predictions_of, sample_losses
from aft.data import labelled_samples
from aft.errors import UnknownIdError
from aft.evaluation import balanced_error_of, draw, error_of
from aft.features import FeatureStore
from aft.probing import probe_outputs
from aft.training import Problem


def probe_losses(problem: Problem, stores: Sequence[FeatureStore]) -> NDArray[np.float64] | None:
    """Losses of a linear probe on the teachers' features.

    Args:
        problem: The task. The probe is fitted on its labelled training samples.
        stores: The teachers; the features of several are concatenated.

    Returns:
        Losses on the test split, ``(N,)``, as `sample_losses` gives them; None if a store lacks the test samples, which no student
        needs.
    """
    ids, targets = problem.dataset.ids, problem.targets
    known, encoded = labelled_samples(problem.dataset, targets, problem.splits.train.tolist())
    train, test = [ids[i] for i in known], [ids[i] for i in problem.splits.test.tolist()]
    try:
        outputs = probe_outputs(stores, targets, (train, encoded), test)
    except UnknownIdError:
        return None
    return sample_losses(targets, predictions_of(targets, outputs), problem.test_labels)


def majority_losses(problem: Problem) -> NDArray[np.float64]:
    """Losses of always predicting the most frequent class, the usual labels, or the mean of the training samples.

    Args:
        problem: The task.

    Returns:
        Losses on the test split, ``(N,)``, as `sample_losses` gives them.
    """
    samples = problem.samples
    labels = samples.labels[problem.train[samples.labelled[problem.train]]]
    targets, count = problem.targets, len(problem.test_labels)
    constant: NDArray[Any]
    if targets.kind == "classification":
        constant = np.full(count, np.bincount(labels, minlength=targets.outputs).argmax())
    elif targets.kind == "multilabel":
        constant = np.tile(labels.mean(axis=0) > 0.5, (count, 1))
    else:
        constant = np.full(count, labels.mean())
    return sample_losses(targets, constant, problem.test_labels)


def errors_of(problem: Problem, losses: NDArray[np.float64]) -> dict[str, float | None]:
    """Summarise the losses of what is the same for every seed.

    Args:
        problem: The task.
        losses: Losses on the test split, ``(N,)``.

    Returns:
        The error, the ends of its interval and the balanced error, by the names that `aft.results.Reference` gives them.
    """
    root, classes = problem.targets.kind == "regression", problem.targets.kind == "classification"
    low, high = np.quantile(draw(losses[None, None], root=root)[0], [0.025, 0.975])
    balanced = balanced_error_of(losses[None], problem.test_labels) if classes else None
    return {
        "error": error_of(losses[None], root=root),
        "low": float(low),
        "high": float(high),
        "balanced_error": balanced,
    }
