"""What the teacher itself would score: a linear probe on its features, and LogME, which fits none."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from aft.data import Targets
from aft.evaluation import Metrics, measure
from aft.features import FeatureStore
from aft.probing._linear_probe import fit_linear_probe
from aft.probing._logme import fit_logme


def probe_error(
    stores: Sequence[FeatureStore],
    targets: Targets,
    train: tuple[Sequence[str], NDArray[Any]],
    test: tuple[Sequence[str], NDArray[Any]],
) -> Metrics:
    """Measure what `probe_outputs` gives.

    Args:
        stores: Teachers; several are put side by side.
        targets: The task.
        train: Ids and encoded labels of labelled training samples.
        test: Ids and encoded labels of labelled test samples.

    Returns:
        The probe's metrics.

    Raises:
        UnknownIdError: A store lacks some of the ids.
    """
    return measure(targets, probe_outputs(stores, targets, train, test[0]), test[1])


def probe_outputs(
    stores: Sequence[FeatureStore],
    targets: Targets,
    train: tuple[Sequence[str], NDArray[Any]],
    ids: Sequence[str],
) -> NDArray[Any]:
    """Fit a linear probe on training samples, its penalty chosen by cross-validation among them, and ask it about others.

    Args:
        stores: Teachers; several are put side by side.
        targets: The task.
        train: Ids and encoded labels of labelled training samples.
        ids: Ids of the samples to answer for.

    Returns:
        Outputs ``(N, C)``.

    Raises:
        UnknownIdError: A store lacks some of the ids.
    """
    wanted = _features(stores, ids)  # before the fit, which takes longer than to find that some are missing
    probe = fit_linear_probe(
        _features(stores, train[0]), torch.from_numpy(train[1]), targets.kind, outputs=targets.outputs
    )
    answers: NDArray[Any] = probe(wanted.to(probe.weight.dtype)).numpy()
    return answers


def logme(stores: Sequence[FeatureStore], targets: Targets, train: tuple[Sequence[str], NDArray[Any]]) -> float:
    """How well teachers' features explain labels, without a search or held-out samples: the log evidence a sample.

    Args:
        stores: Teachers; several are put side by side.
        targets: The task.
        train: Ids and encoded labels of labelled training samples.

    Returns:
        The score: higher is better; it compares teachers on one task and means nothing across tasks.

    Raises:
        UnknownIdError: A store lacks some of the ids.

    Source:
        You, Liu, Wang, Long: LogME, ICML 2021; see `aft.objectives.fit_logme`.
    """
    labels = torch.from_numpy(train[1])
    return fit_logme(_features(stores, train[0]), labels, targets.kind, outputs=targets.outputs).evidence


def _features(stores: Sequence[FeatureStore], ids: Sequence[str]) -> torch.Tensor:
    parts = [store.take(store.rows(list(ids))).astype(np.float32) for store in stores]
    return torch.from_numpy(np.concatenate(parts, axis=1))
