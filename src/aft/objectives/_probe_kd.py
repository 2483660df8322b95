"""Distillation of logits from a linear probe on the teachers' features."""

from collections.abc import Mapping
from typing import get_args

import torch
import torch.nn.functional as F
from torch import Tensor

from aft.errors import UsageError, did_you_mean
from aft.objectives._base import Objective
from aft.probing import FOLDS, Task, fit_folded_probes, sample_keys


class ProbeKD(Objective):
    """Make the student's outputs match those of a linear probe on the teachers' features.

    ``T^2 KL(softmax(probe / T) || softmax(logits / T))`` for classification, the same with sigmoids for multilabel, and the
    mean squared error for regression. On a sample that the probe was fitted on, its prediction comes from the fold that did
    not hold it; on any other sample, one without a label say, from the probe fitted on all.

    Args:
        teacher_dims: Width ``D_m`` of each teacher's features, by name.
        student_dim: Width ``d`` of the student's features.
        temperature: T.
        task: ``"classification"``, ``"multilabel"`` or ``"regression"``.
        outputs: Number of classes, where the samples that the probe is fitted on may not show them all.

    Raises:
        UsageError: An unknown task, or a temperature that is not positive.

    Source:
        Hinton, Vinyals, Dean: Distilling the Knowledge in a Neural Network, 2015, with a probe as the teacher.

    Example:
        >>> objective = ProbeKD({"clip": 512}, student_dim=64)
        >>> objective.prepare({"clip": training_features}, targets=training_labels)
        >>> loss = task_loss + objective(student_features, {"clip": features}, logits=logits)
    """

    needs_preparation = True
    needs_logits = True
    needs_task = True
    fitted = ("weight", "bias", "keys")
    #: One probe a fold and, last, the probe fitted on all.
    weight: Tensor | None
    bias: Tensor | None
    keys: Tensor | None

    def __init__(
        self,
        teacher_dims: Mapping[str, int],
        student_dim: int,
        *,
        temperature: float = 2.0,
        task: Task = "classification",
        outputs: int | None = None,
    ) -> None:
        super().__init__(teacher_dims, student_dim)
        if task not in get_args(Task):
            raise UsageError(f"unknown option task={task!r}{did_you_mean(str(task), get_args(Task))}")
        if not temperature > 0:
            raise UsageError(f"a temperature is positive; received {temperature!r}; 2.0 is usual")
        self.temperature = temperature
        self.task: Task = task
        self.outputs = outputs
        # Fitted statistics: fitted again, to the same numbers, wherever training resumes.
        for name in ("weight", "bias", "keys"):
            self.register_buffer(name, None, persistent=False)

    def prepare(
        self,
        teacher_features: Mapping[str, Tensor],
        student_features: Tensor | None = None,
        targets: Tensor | None = None,
    ) -> None:
        """Fit the probes.

        Args:
            teacher_features: Features ``(N, D_m)`` of the labelled training samples alone, by teacher.
            student_features: Not used.
            targets: Class indices ``(N,)``, 0/1 ``(N, C)``, or values ``(N,)`` or ``(N, C)``, as the task asks.

        Raises:
            UsageError: No targets.
        """
        if targets is None:
            raise UsageError("a probe is fitted on labels; received no targets; call prepare(features, targets=labels)")
        features = torch.cat([teacher_features[name].float() for name in self.teacher_dims], dim=1)
        keys = sample_keys(features)
        final, by_fold = fit_folded_probes(features, targets, self.task, folds=keys % FOLDS, outputs=self.outputs)
        probes = [*by_fold, final]
        self.weight = torch.stack([probe.weight.float() for probe in probes])
        self.bias = torch.stack([probe.bias.float() for probe in probes])
        self.keys = keys.unique()

    def predictions(self, teacher: Tensor) -> Tensor:
        """The probes' outputs, out of fold for the samples that they were fitted on.

        Args:
            teacher: The teachers' features side by side, ``(B, D)``.

        Returns:
            ``(B, C)``.
        """
        if self.weight is None or self.bias is None or self.keys is None:
            raise UsageError(
                "probe-kd needs its probe; received none; call objective.prepare(features, targets=labels) first"
            )
        keys = sample_keys(teacher)
        position = torch.searchsorted(self.keys, keys).clamp(max=len(self.keys) - 1)
        which = torch.where(self.keys[position] == keys, keys % FOLDS, FOLDS)
        outputs = torch.einsum("bd,kcd->kbc", teacher.to(self.weight.dtype), self.weight) + self.bias[:, None]
        return outputs.gather(0, which[None, :, None].expand(1, -1, outputs.shape[2]))[0].to(teacher.dtype)

    def compute(self, student: Tensor, teacher: Tensor, *, logits: Tensor | None, targets: Tensor | None) -> Tensor:
        """The divergence from the probe's outputs; see the class."""
        assert logits is not None  # the base class has checked
        probe = self.predictions(teacher)
        if self.task == "regression":
            return (logits.reshape(probe.shape) - probe).square().mean()
        t = self.temperature
        if self.task == "multilabel":
            soft = torch.sigmoid(probe / t)
            cross = F.binary_cross_entropy_with_logits(logits / t, soft)
            return t * t * (cross - F.binary_cross_entropy_with_logits(probe / t, soft))
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
