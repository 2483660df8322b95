"""The linear probe on the teachers' features, fitted once for each set of labelled samples."""

import hashlib
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aft.data import Targets
from aft.probing import LinearProbe, fit_linear_probe
from aft.training._encoded import EncodedDataset


class TeacherProbe:
    """Predicts labels from the teachers' features.

    Several parts of a training want these predictions, for the same labelled samples; with many classes a fit takes minutes.

    Args:
        targets: The task.
    """

    def __init__(self, targets: Targets) -> None:
        self._targets = targets
        self._fitted: dict[str, LinearProbe] = {}

    def predict(self, samples: EncodedDataset, train: NDArray[np.int64], positions: NDArray[np.int64]) -> NDArray[Any]:
        """Compute the probe's outputs.

        Args:
            samples: The samples, with the teachers' features.
            train: Positions of the training samples. The probe is fitted on those with a label.
            positions: Positions of the samples to predict.

        Returns:
            ``(n, C)``.
        """
        known = train[samples.labelled[train]]
        names = repr([store.name for store in samples.stores])
        key = hashlib.sha256(names.encode() + known.tobytes()).hexdigest()
        if key not in self._fitted:
            labels = torch.from_numpy(samples.labels[known])
            self._fitted[key] = fit_linear_probe(
                _features(samples, known), labels, self._targets.kind, outputs=self._targets.outputs
            )
        outputs: NDArray[Any] = self._fitted[key](_features(samples, positions)).numpy()
        return outputs


def _features(samples: EncodedDataset, positions: NDArray[np.int64]) -> Tensor:
    return torch.cat(list(samples.features(positions).values()), dim=1).float()
