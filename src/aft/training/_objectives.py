"""The objectives of a method, made and prepared for a training."""

import hashlib
import logging
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from aft.data import Targets
from aft.errors import UsageError
from aft.features import factors_of
from aft.models import Student, forward_all
from aft.objectives import Objective, make_objective, objective_class, objectives_of
from aft.training._encoded import EncodedDataset
from aft.training._spread import MOST_SAMPLES, spread
from aft.training._students import seeded

log = logging.getLogger("aft")

#: Number of classes beyond which fitting a probe takes long.
MANY = 20


class ObjectiveFactory:
    """Makes the objectives of methods, and keeps what was fitted to the teachers' features.

    Some objectives are fitted before training: a probe, a paraphraser, a whitening. What is fitted to the teachers is the same
    for every seed and hyperparameter, so it is fitted once; what is fitted to the student is fitted each time.

    Args:
        targets: The task.
    """

    def __init__(self, targets: Targets) -> None:
        self._targets = targets
        self._fitted: dict[str, dict[str, Any]] = {}
        self._told: set[str] = set()

    def make(
        self,
        method: str,
        options: Mapping[str, Any],
        student: Student,
        samples: EncodedDataset,
        positions: NDArray[np.int64],
        seed: int,
    ) -> dict[str, Objective]:
        """Make the objectives of a method and prepare them.

        Args:
            method: The method's name.
            options: Options of its objective; for several, options by objective.
            student: The student before training.
            samples: The samples, with the teachers' features.
            positions: The samples that will be trained on. Nothing is fitted on other samples.
            seed: Random seed for the objectives' initial parameters.

        Returns:
            Objectives by name, in the method's order.
        """
        names = objectives_of(method)
        own = {name: dict(options if len(names) == 1 else options.get(name, {})) for name in names}
        return {name: self._make(name, own[name], student, samples, positions, seed) for name in names}

    def _make(
        self,
        name: str,
        options: dict[str, Any],
        student: Student,
        samples: EncodedDataset,
        positions: NDArray[np.int64],
        seed: int,
    ) -> Objective:
        if objective_class(name).needs_task:
            options = {"task": self._targets.kind, "outputs": self._targets.outputs, **options}
        dims = {store.name: store.dim for store in samples.stores}
        factors = factors_of(samples.stores)
        if factors and objective_class(name.partition("@")[0]).takes_factors:
            options = {"factors": factors, **options}
        objective = seeded(lambda: make_objective(name, dims, student.dim, options), seed)
        if not objective.needs_logits and not _has_trainable_features(student):
            raise UsageError(
                f"the objective {name!r} trains what computes the student's features; this student has nothing to train before "
                "its classifier; use the method 'probe-kd' or 'finetune', or another student"
            )
        if not objective.needs_preparation:
            return objective
        known = spread(positions[samples.labelled[positions]] if objective.needs_targets else positions, MOST_SAMPLES)
        key = f"{name} {list(dims)!r} {options!r} {hashlib.sha256(known.tobytes()).hexdigest()}"
        state = self._fitted.get(key)
        if state is not None:
            objective.load_fitted_state(state)
        if state is None and name not in self._told:
            self._told.add(name)
            slow = "; with many classes this takes minutes" if self._targets.outputs > MANY else ""
            log.info("fitting %s to the teachers' features%s", name, slow)
        if state is None or objective.needs_student_features:
            features = None
            if objective.needs_student_features:
                features = torch.from_numpy(forward_all(student, samples.encoded_lazily(known.tolist())).features)
            objective.prepare(samples.features(known), features, torch.from_numpy(samples.labels[known]))
            for view in range(1, samples.views):
                objective.add_views(samples.features(known, view))
        if state is None:
            self._fitted[key] = objective.fitted_state()
        return objective


def _has_trainable_features(student: Student) -> bool:
    """Whether anything before the classifier can be trained."""
    return any(parameter.requires_grad for parameter in student.feature_parameters())
