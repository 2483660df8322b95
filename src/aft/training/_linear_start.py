"""Students that start from a linear model: on labels or, with teachers, on what a probe on their features predicts."""

import hashlib

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aft.baselines import ABSENT, choose_penalty, fit_linear
from aft.data import Targets
from aft.evaluation import soft_labels
from aft.models import Student
from aft.training._encoded import EncodedDataset
from aft.training._spread import MOST_SAMPLES, spread
from aft.training._teacher_probes import TeacherProbes

#: How much smaller than all other biases the one of a class is that has no sample.
UNLIKELY = 5.0


class LinearStarts:
    """Fits the linear models that students start from, and keeps them: they are the same for every seed and hyperparameter.

    Args:
        targets: The task.
        probe: Predicts the labels of all samples, where there are teachers.
    """

    def __init__(self, targets: Targets, probe: TeacherProbes) -> None:
        self._targets, self._probe = targets, probe
        self._fitted: dict[str, tuple[Tensor, Tensor]] = {}

    def apply(self, student: Student, samples: EncodedDataset, positions: NDArray[np.int64]) -> None:
        """Let a student start from a linear model, if its kind has one. Nothing is fitted on other samples than the given ones.

        Args:
            student: The student before training.
            samples: The samples, with the teachers' features, if there are any.
            positions: The samples that will be trained on.
        """
        if student.backbone.linear_start is None:
            return
        key = hashlib.sha256(repr([store.name for store in samples.stores]).encode() + positions.tobytes()).hexdigest()
        if key not in self._fitted:
            self._fitted[key] = self._fit(student, samples, positions)
        student.start_from(*self._fitted[key])

    def _fit(self, student: Student, samples: EncodedDataset, positions: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        chosen = spread(positions, MOST_SAMPLES)
        outputs = samples.labels[chosen]
        if samples.stores:
            outputs = soft_labels(self._targets, self._probe.predict(samples, positions, chosen))
        assert student.backbone.linear_start is not None
        features = student.backbone.linear_start.linear_inputs(samples.encoded(chosen.tolist()))
        penalty = choose_penalty(self._targets, features, outputs)
        weight, bias = fit_linear(self._targets, features, outputs, penalty)
        # What training has always or never seen is likely or unlikely, and not certain: training could not leave such a bias.
        usual = bias[np.abs(bias) < -ABSENT]
        low, high = (usual.min(), usual.max()) if len(usual) else (0.0, 0.0)
        bias = bias.clip(low - UNLIKELY, high + UNLIKELY).astype(np.float32)
        return torch.from_numpy(weight), torch.from_numpy(bias)
