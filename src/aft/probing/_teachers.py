"""How well a task can be read from the features of teachers: a linear probe and LogME on feature stores."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from aft.data import Targets
from aft.evaluation import Metrics, measure
from aft.features import FeatureStore, factors_of
from aft.probing._interactions import Interactions
from aft.probing._logme import fit_logme
from aft.probing._teacher_probe import fit_teacher_probe


def probe_error(
    stores: Sequence[FeatureStore],
    targets: Targets,
    train: tuple[Sequence[str], NDArray[Any]],
    test: tuple[Sequence[str], NDArray[Any]],
) -> Metrics:
    """Fit a linear probe on training samples and evaluate it on test samples.

    Args:
        stores: Feature stores of the teachers; the features of several are concatenated,
            with products where they read different parts of a sample.
        targets: The task.
        train: Ids and encoded labels of labelled training samples.
        test: Ids and encoded labels of labelled test samples.

    Returns:
        The metrics of the probe.

    Raises:
        UnknownIdError: A store lacks some of the ids.

    Example:
        >>> probe_error([store], targets, (train_ids, train_labels), (test_ids, test_labels)).error
        0.081
    """
    return measure(targets, probe_outputs(stores, targets, train, test[0]), test[1])


def probe_outputs(
    stores: Sequence[FeatureStore],
    targets: Targets,
    train: tuple[Sequence[str], NDArray[Any]],
    ids: Sequence[str],
) -> NDArray[Any]:
    """Fit a linear probe on training samples and compute its outputs for other samples.

    The probe's penalty is chosen by cross-validation among the training samples.

    Args:
        stores: Feature stores of the teachers; the features of several are concatenated,
            with products where they read different parts of a sample.
        targets: The task.
        train: Ids and encoded labels of labelled training samples.
        ids: Ids of the samples to compute outputs for.

    Returns:
        Outputs ``(N, C)``.

    Raises:
        UnknownIdError: A store lacks some of the ids.
    """
    features = _features(stores, ids)  # read first, so that missing ids are reported before the slow fit
    probe = fit_teacher_probe(
        _features(stores, train[0]),
        torch.from_numpy(train[1]),
        targets.kind,
        factors=factors_of(stores),
        outputs=targets.outputs,
    )
    outputs: NDArray[Any] = probe(features).numpy()
    return outputs


def logme(stores: Sequence[FeatureStore], targets: Targets, train: tuple[Sequence[str], NDArray[Any]]) -> float:
    """Compute the LogME score of teachers: the log evidence per sample, without held-out samples.

    Args:
        stores: Feature stores of the teachers; the features of several are concatenated,
            with products where they read different parts of a sample.
        targets: The task.
        train: Ids and encoded labels of labelled training samples.

    Returns:
        The score. Higher is better. It compares teachers on the same task and is not comparable across tasks.

    Raises:
        UnknownIdError: A store lacks some of the ids.

    Source:
        You, Liu, Wang, Long: LogME, ICML 2021; see `aft.probing.fit_logme`.
    """
    features = _features(stores, train[0])
    whole = Interactions(features, factors_of(stores))(torch.cat(list(features.values()), dim=1))
    return fit_logme(whole, torch.from_numpy(train[1]), targets.kind, outputs=targets.outputs).evidence


def _features(stores: Sequence[FeatureStore], ids: Sequence[str]) -> dict[str, torch.Tensor]:
    """Features of the samples, ``(N, D_m)`` in float32, by teacher."""
    return {store.name: torch.from_numpy(store.take(store.rows(list(ids))).astype(np.float32)) for store in stores}
