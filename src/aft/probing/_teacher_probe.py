"""A linear probe on the features of several teachers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from aft.data import TaskKind
from aft.probing._interactions import Interactions
from aft.probing._linear_probe import FOLDS, LinearProbe, fit_linear_probe


@dataclass(frozen=True)
class TeacherProbe:
    """A fitted linear model on the features of teachers and, over parts of a sample, their products.

    Attributes:
        interactions: Computes what the linear model reads.
        linear: The linear model.
    """

    interactions: Interactions
    linear: LinearProbe

    def __call__(self, features: Mapping[str, Tensor]) -> Tensor:
        """Compute logits (or predicted values) ``(B, C)`` from features ``(B, D_m)`` by teacher, in the order of the fit."""
        return self.linear(self.interactions(_concatenated(features)))


def fit_teacher_probe(
    features: Mapping[str, Tensor],
    targets: Tensor,
    task: TaskKind,
    *,
    factors: Sequence[Sequence[str]] = (),
    outputs: int | None = None,
) -> TeacherProbe:
    """Fit a linear probe on the features of teachers, as `fit_linear_probe` does.

    Args:
        features: Features ``(N, D_m)`` of training samples only, keyed by teacher.
        targets: As for `fit_linear_probe`.
        task: As for `fit_linear_probe`.
        factors: Names of the teachers that read each part of a sample; see `Interactions`.
        outputs: As for `fit_linear_probe`.

    Returns:
        The probe.

    Raises:
        UsageError: There are fewer than two samples.
    """
    interactions = Interactions(features, factors)
    table = _concatenated(features)
    folds = interactions.keys(table) % FOLDS
    return TeacherProbe(
        interactions, fit_linear_probe(interactions(table), targets, task, folds=folds, outputs=outputs)
    )


def _concatenated(features: Mapping[str, Tensor]) -> Tensor:
    return torch.cat([part.float() for part in features.values()], dim=1)
