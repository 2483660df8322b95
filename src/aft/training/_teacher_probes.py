"""Linear probes on the teachers' features, fitted once for each set of labelled samples."""

import hashlib
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from aft.data import Targets
from aft.features import factors_of
from aft.probing import TeacherProbe, fit_teacher_probe
from aft.training._encoded import EncodedDataset
from aft.training._spread import MOST_SAMPLES, spread


class TeacherProbes:
    """Fits probes, keeps them, and predicts labels from the teachers' features.

    Several parts of a training want the same predictions, and with many classes a fit takes minutes.

    Args:
        targets: The task.
    """

    def __init__(self, targets: Targets) -> None:
        self._targets = targets
        self._fitted: dict[str, TeacherProbe] = {}

    def predict(self, samples: EncodedDataset, train: NDArray[np.int64], positions: NDArray[np.int64]) -> NDArray[Any]:
        """Compute the probe's outputs.

        Args:
            samples: The samples, with the teachers' features.
            train: Positions of the training samples. The probe is fitted on those with a label, or on many of them.
            positions: Positions of the samples to predict.

        Returns:
            ``(n, C)``.
        """
        known = spread(train[samples.labelled[train]], MOST_SAMPLES)
        names = repr([store.name for store in samples.stores])
        key = hashlib.sha256(names.encode() + known.tobytes()).hexdigest()
        if key not in self._fitted:
            labels = torch.from_numpy(samples.labels[known])
            self._fitted[key] = fit_teacher_probe(
                samples.features(known), labels, self._targets.kind, factors=factors_of(samples.stores),
                outputs=self._targets.outputs,
            )  # fmt: skip
        probe = self._fitted[key]
        parts = np.split(positions, range(MOST_SAMPLES, len(positions), MOST_SAMPLES))
        return np.concatenate([probe(samples.features(part)).numpy() for part in parts])
