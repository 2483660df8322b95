"""Rows of every comparison that are no students: the teachers' probe, and the answer that needs no model."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aft.comparison._predictions import answers_of, losses
from aft.errors import UnknownIdError
from aft.evaluation import probe_outputs
from aft.features import FeatureStore
from aft.training import Training


def probe_losses(training: Training, stores: Sequence[FeatureStore]) -> NDArray[np.float64] | None:
    """What a linear probe on teachers' features loses on the test part.

    Args:
        training: The task; the probe is fitted on its labelled training samples.
        stores: The teachers, put side by side.

    Returns:
        ``(N,)``, as `losses` gives; None where a store lacks the test samples, which no student needs.
    """
    ids, labels, targets = training.dataset.ids, training.dataset.labels or [], training.targets
    known = [i for i in training.parts.train.tolist() if labels[i] is not None]
    train = [ids[i] for i in known]
    encoded = targets.encode([labels[i] for i in known], train)[0]
    try:
        outputs = probe_outputs(stores, targets, (train, encoded), [ids[i] for i in training.parts.test.tolist()])
    except UnknownIdError:
        return None
    return losses(targets, answers_of(targets, outputs), training.test_labels)


def majority_losses(training: Training) -> NDArray[np.float64]:
    """What the most frequent class, the usual labels or the mean value of the training samples loses on the test part.

    Args:
        training: The task.

    Returns:
        ``(N,)``, as `losses` gives.
    """
    labels = training.data.labels[training.members[training.data.labelled[training.members]]]
    targets, samples = training.targets, len(training.test_labels)
    answer: NDArray[Any]
    if targets.kind == "classification":
        answer = np.full(samples, np.bincount(labels, minlength=targets.outputs).argmax())
    elif targets.kind == "multilabel":
        answer = np.tile(labels.mean(axis=0) > 0.5, (samples, 1))
    else:
        answer = np.full(samples, labels.mean())
    return losses(targets, answer, training.test_labels)
