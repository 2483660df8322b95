"""Unlabelled samples as a second validation split, with what the teachers' probe predicts for them as labels.

A few dozen labels choose badly: the loss on them varies more between samples than between hyperparameters. A probe on the
teachers' features that knows the task better than the student predicts the label of any sample, and unlabelled ones are plenty.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aft.data import Dataset, Targets, hold_out, taken
from aft.evaluation import calibrated_loss, soft_labels
from aft.training._encoded import EncodedDataset
from aft.training._teacher_probes import TeacherProbes

#: The most unlabelled samples that are held out from the search, and the fewest that are worth it.
MOST, FEWEST = 2000, 10


@dataclass(frozen=True)
class SoftValidation:
    """Labelled validation samples and, with a probe's predictions for labels, unlabelled ones.

    Attributes:
        labels: Labels of all samples, the labelled ones first; for a classification probabilities ``(n, C)``.
        probe_loss: Loss of the probe on the labelled ones at the best temperature.
    """

    labels: NDArray[Any]
    probe_loss: float

    def measure(self, targets: Targets, labelled: NDArray[Any], unlabelled: NDArray[Any]) -> float:
        """A student's loss on all of them, at the best temperature.

        Args:
            targets: The task.
            labelled: Its outputs ``(N, C)`` for the labelled validation samples.
            unlabelled: Its outputs for the unlabelled ones.
        """
        return calibrated_loss(targets, np.concatenate([labelled, unlabelled]), self.labels)


def hold_out_unlabelled(
    dataset: Dataset, labelled: NDArray[np.bool_], train: NDArray[np.int64], *, fraction: float, seed: int
) -> NDArray[np.int64]:
    """Choose the unlabelled samples to validate on.

    Args:
        dataset: The samples.
        labelled: Which of them have a label, ``(N,)``.
        train: Positions of the samples that the search may train on.
        fraction: Fraction of the unlabelled ones to hold out.
        seed: Random seed of the choice, which does not depend on the order of the samples.

    Returns:
        Their positions; none where there would be too few.
    """
    unlabelled = train[~labelled[train]]
    fraction = min(fraction, MOST / max(1, len(unlabelled)))
    if fraction * len(unlabelled) < FEWEST:
        return unlabelled[:0]
    groups = None if dataset.groups is None else taken(dataset.groups, unlabelled)
    labels = ["unlabelled"] * len(unlabelled)
    held = hold_out(dataset.digests.take(unlabelled), labels, fraction=fraction, seed=seed, groups=groups)
    return unlabelled[held]


def soft_validation(
    targets: Targets,
    probe: TeacherProbes,
    samples: EncodedDataset,
    train: NDArray[np.int64],
    validation: NDArray[np.int64],
    unlabelled: NDArray[np.int64],
) -> SoftValidation:
    """Predict the labels of the unlabelled samples.

    Args:
        targets: The task.
        probe: Predicts them.
        samples: The samples, with the teachers' features.
        train: Positions of the samples that the search trains on. The probe is fitted on those with a label.
        validation: Positions of the labelled validation samples.
        unlabelled: Positions of the unlabelled ones.

    Returns:
        The labels.
    """
    true, predicted = samples.labels[validation], soft_labels(targets, probe.predict(samples, train, unlabelled))
    loss = calibrated_loss(targets, probe.predict(samples, train, validation), true)
    if targets.kind == "classification":
        true = np.eye(targets.outputs)[true]
    return SoftValidation(np.concatenate([true, predicted]), loss)
