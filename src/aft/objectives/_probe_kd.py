"""Distillation of the logits of a linear probe on the teachers' features."""

from collections.abc import Mapping, Sequence
from typing import get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from aft.data import TaskKind
from aft.errors import UsageError
from aft.objectives._base import Objective, check_choice, check_factors
from aft.probing import FOLDS, Interactions, fit_folded_probes


class ProbeKD(Objective):
    """Make the student's outputs match those of a linear probe on the teachers' features.

    The loss is ``T^2 KL(softmax(probe / T) || softmax(logits / T))`` for classification, the same with
    sigmoids for multilabel tasks, and the mean squared error for regression. The probe's prediction for a
    sample that it was fitted on is out of fold: it comes from the probe whose fold left the sample out. For
    any other sample, for example an unlabelled one, it comes from the probe that was fitted on all samples.

    Args:
        teacher_dims: Width ``D_m`` of each teacher's features, keyed by name.
        student_dim: Width ``d`` of the student's features.
        temperature: Temperature T.
        task: ``"classification"``, ``"multilabel"`` or ``"regression"``.
        outputs: Number of classes; needed if the samples passed to `prepare` may not contain every class.
        factors: Names of the teachers that read each part of a sample, such as its image and its text. The probe reads products
            of their features, too; see `aft.probing.Interactions`.

    Raises:
        UsageError: The task or a teacher of a factor is unknown, or the temperature is not positive.

    Source:
        Hinton, Vinyals, Dean: Distilling the Knowledge in a Neural Network, 2015, with a probe as the
        teacher.

    Example:
        >>> objective = ProbeKD({"clip": 512}, student_dim=64)
        >>> objective.prepare({"clip": training_features}, targets=training_labels)
        >>> loss = task_loss + objective(student_features, {"clip": features}, logits=logits)
    """

    needs_preparation = True
    needs_logits = True
    needs_task = True
    takes_factors = True
    fitted = ("interactions", "weight", "bias", "keys", "folds")
    #: What the probes read of the features.
    interactions: Interactions | None
    #: Weights of one probe per fold, followed by those of the probe fitted on all samples, ``(6, C, D)``.
    weight: Tensor | None
    #: Their biases, ``(6, C)``.
    bias: Tensor | None
    #: Sorted keys of the samples that the probes were fitted on, and of their views.
    keys: Tensor | None
    #: The fold of each, which is that of the sample.
    folds: Tensor | None

    def __init__(
        self,
        teacher_dims: Mapping[str, int],
        student_dim: int,
        *,
        temperature: float = 2.0,
        task: TaskKind = "classification",
        outputs: int | None = None,
        factors: Sequence[Sequence[str]] = (),
    ) -> None:
        super().__init__(teacher_dims, student_dim)
        check_choice("task", task, get_args(TaskKind))
        if not temperature > 0:
            raise UsageError(f"a temperature must be positive; received {temperature!r}; 2.0 is a usual value")
        self.temperature = temperature
        self.task: TaskKind = task
        self.outputs = outputs
        self.factors = check_factors(factors, self.teacher_dims)
        # Not in checkpoints: a resumed training fits them again, to the same numbers.
        self.interactions = None
        for name in self.fitted[1:]:
            self.register_buffer(name, None, persistent=False)
        self._sample_keys: Tensor | None = None

    def prepare(
        self,
        teacher_features: Mapping[str, Tensor],
        student_features: Tensor | None = None,
        targets: Tensor | None = None,
    ) -> None:
        """Fit the probes.

        Args:
            teacher_features: Features ``(N, D_m)`` of the labelled training samples only, keyed by teacher.
            student_features: Not used.
            targets: Class indices ``(N,)`` for classification, 0/1 ``(N, C)`` for multilabel, or values
                ``(N,)`` or ``(N, C)`` for regression.

        Raises:
            UsageError: There are no targets.
        """
        if targets is None:
            raise UsageError("a probe is fitted on labels; received no targets; call prepare(features, targets=labels)")
        by_teacher = {name: teacher_features[name].float() for name in self.teacher_dims}
        features = torch.cat(list(by_teacher.values()), dim=1)
        interactions = Interactions(by_teacher, self.factors)
        keys = interactions.keys(features)
        final, by_fold = fit_folded_probes(
            interactions(features), targets, self.task, folds=keys % FOLDS, outputs=self.outputs
        )
        self.interactions = interactions
        probes = [*by_fold, final]
        self.weight = torch.stack([probe.weight.float() for probe in probes])
        self.bias = torch.stack([probe.bias.float() for probe in probes])
        self._sample_keys = keys
        self.keys = keys.unique()
        self.folds = self.keys % FOLDS

    def add_views(self, teacher_features: Mapping[str, Tensor]) -> None:
        """Predict these views out of fold, too: a probe that was fitted on a sample half knows the label of its views.

        Args:
            teacher_features: As for `Objective.add_views`.

        Raises:
            UsageError: `prepare` has not been called, or there are not as many samples.
        """
        if self.interactions is None or self.keys is None or self.folds is None or self._sample_keys is None:
            raise UsageError("views belong to samples; received them before these; call prepare first")
        features = torch.cat([teacher_features[name].float() for name in self.teacher_dims], dim=1)
        if len(features) != len(self._sample_keys):
            raise UsageError(
                f"views belong to the samples of prepare, in their order; received {len(features)} for {len(self._sample_keys)} samples; "
                "pass one for each"
            )
        keys = torch.cat([self.keys, self.interactions.keys(features)])
        folds = torch.cat([self.folds, self._sample_keys % FOLDS])
        # A view that equals a sample is known already.
        self.keys, first = _unique_with_first(keys)
        self.folds = folds[first]

    def predictions(self, teacher: Tensor) -> Tensor:
        """Compute the probes' outputs, out of fold for the samples that they were fitted on.

        Args:
            teacher: Concatenated teacher features, ``(B, D)``.

        Returns:
            ``(B, C)``.

        Raises:
            UsageError: `prepare` has not been called.
        """
        if self.interactions is None:
            raise UsageError(
                "probe-kd needs a fitted probe; received none; call objective.prepare(features, targets=labels) first"
            )
        assert self.weight is not None
        assert self.bias is not None
        assert self.keys is not None
        assert self.folds is not None
        keys = self.interactions.keys(teacher)
        position = torch.searchsorted(self.keys, keys).clamp(max=len(self.keys) - 1)
        which = torch.where(self.keys[position] == keys, self.folds[position], FOLDS)
        outputs = (
            torch.einsum("bd,kcd->kbc", self.interactions(teacher.to(self.weight.dtype)), self.weight)
            + self.bias[:, None]
        )
        return outputs.gather(0, which[None, :, None].expand(1, -1, outputs.shape[2]))[0].to(teacher.dtype)

    def compute(self, student: Tensor, teacher: Tensor, *, logits: Tensor | None, targets: Tensor | None) -> Tensor:
        """Compute the divergence of the student's outputs from the probe's."""
        assert logits is not None  # checked by the base class
        probe = self.predictions(teacher)
        if self.task == "regression":
            return (logits.reshape(probe.shape) - probe).square().mean()
        t = self.temperature
        if self.task == "multilabel":
            soft = torch.sigmoid(probe / t)
            cross_entropy = F.binary_cross_entropy_with_logits(logits / t, soft)
            return t * t * (cross_entropy - F.binary_cross_entropy_with_logits(probe / t, soft))
        return (
            t
            * t
            * F.kl_div(
                F.log_softmax(logits / t, dim=1),
                F.log_softmax(probe / t, dim=1),
                log_target=True,
                reduction="batchmean",
            )
        )


def _unique_with_first(keys: Tensor) -> tuple[Tensor, Tensor]:
    """Sorted distinct keys, and where each occurs first."""
    order = torch.sort(keys, stable=True).indices
    ranked = keys[order]
    new = torch.ones_like(ranked, dtype=torch.bool)
    new[1:] = ranked[1:] != ranked[:-1]
    return ranked[new], order[new]
