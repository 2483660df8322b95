"""Rows of every comparison that are no students: the teachers' probe, and the answer that needs no model."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from aft.comparison._predictions import decode as decode
from aft.comparison._predictions import encode, losses
from aft.features import FeatureStore
from aft.objectives import fit_linear_probe
from aft.training import Training


def probe_losses(training: Training, stores: Sequence[FeatureStore]) -> NDArray[np.float64] | None:
    """What a linear probe on teachers' features loses on the test part.

    Args:
        training: The task; the probe is fitted on its labelled training samples.
        stores: The teachers, put side by side.

    Returns:
        ``(N,)``, as `losses` gives; None where a store lacks the test samples, which no student needs.
    """
    data, parts = training.dataset, training.parts
    labels = data.labels or []
    train = [i for i in parts.train.tolist() if labels[i] is not None]
    test = parts.test.tolist()
    if not all(has_all(store, [data.ids[i] for i in test]) for store in stores):
        return None

    def features(positions: list[int]) -> torch.Tensor:
        ids = [data.ids[i] for i in positions]
        return torch.from_numpy(
            np.concatenate([store.take(store.rows(ids)).astype(np.float32) for store in stores], axis=1)
        )

    targets = training.targets
    encoded = targets.encode([labels[i] for i in train], [data.ids[i] for i in train])[0]
    probe = fit_linear_probe(features(train), torch.from_numpy(encoded), targets.kind, outputs=targets.outputs)
    outputs = probe(features(test)).float().numpy()
    return losses(targets, decode(encode(targets, outputs)), training.test_labels)


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


def has_all(store: FeatureStore, ids: Sequence[str]) -> bool:
    """Whether a store holds all of some samples."""
    from aft.errors import UnknownIdError

    try:
        store.rows(list(ids))
    except UnknownIdError:
        return False
    return True
