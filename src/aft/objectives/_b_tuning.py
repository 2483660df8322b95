"""B-Tuning: keep the student close to what Bayesian linear models read from the teachers' features."""

from collections.abc import Mapping
from typing import get_args

import torch
from torch import Tensor

from aft.data import TaskKind
from aft.errors import UsageError
from aft.objectives._base import Objective, check_choice
from aft.probing import fit_logme

#: Temperature of the softmax that weights teachers by their LogME score.
TEMPERATURE = 0.1


class BTuning(Objective):
    """Match linear predictions from both sides: ``mean((phi M_S^T - sum_k pi_k psi_k M_k^T)^2)``.

    Each ``M`` holds the posterior means (classes x dims) that LogME fits to the targets: ``M_k`` on the
    features of teacher k, ``M_S`` on the features of the untrained student. All of them stay fixed. ``pi =
    softmax(LogME / 0.1)`` over the teachers.

    ``M_S`` belongs to one student and is not part of `fitted_state`. After `load_fitted_state`, `prepare`
    must still be called; it then fits ``M_S`` only.

    Args:
        teacher_dims: Width ``D_m`` of each teacher's features, keyed by name.
        student_dim: Width ``d`` of the student's features.
        task: ``"classification"``, ``"multilabel"`` or ``"regression"``.
        outputs: Number of classes; needed if the samples passed to `prepare` may not contain every class.

    Raises:
        UsageError: The task is unknown.

    Source:
        You, Liu, Zhang, Wang, Jordan, Long: Ranking and Tuning Pre-trained Models, JMLR 2022.

    Example:
        >>> objective = BTuning({"clip": 512}, student_dim=64)
        >>> objective.prepare({"clip": training_features}, untrained_features, targets=training_labels)
        >>> loss = task_loss + objective(student_features, {"clip": features})
    """

    needs_preparation = True
    needs_student_features = True
    needs_task = True
    fitted = ("means", "mixture")
    #: The teachers' posterior means, concatenated, ``(C, D)``.
    means: Tensor | None
    #: The weight of each teacher, ``(K,)``.
    mixture: Tensor | None
    #: The student's posterior means, ``(C, d)``.
    student_means: Tensor | None

    def __init__(
        self,
        teacher_dims: Mapping[str, int],
        student_dim: int,
        *,
        task: TaskKind = "classification",
        outputs: int | None = None,
    ) -> None:
        super().__init__(teacher_dims, student_dim)
        check_choice("task", task, get_args(TaskKind))
        self.task: TaskKind = task
        self.outputs = outputs
        self._teachers_loaded = False
        # Not in checkpoints: a resumed training fits them again, to the same numbers.
        for name in ("means", "mixture", "student_means"):
            self.register_buffer(name, None, persistent=False)

    def load_fitted_state(self, state: Mapping[str, Tensor]) -> None:
        """Load the teachers' means and weights; `prepare` then fits the student's means only."""
        super().load_fitted_state(state)
        self._teachers_loaded = True

    def prepare(
        self,
        teacher_features: Mapping[str, Tensor],
        student_features: Tensor | None = None,
        targets: Tensor | None = None,
    ) -> None:
        """Fit the posterior means and the weights of the teachers.

        Args:
            teacher_features: Features ``(N, D_m)`` of the labelled training samples only, keyed by teacher.
            student_features: The untrained student's features of the same samples, ``(N, d)``.
            targets: Class indices ``(N,)`` for classification, 0/1 ``(N, C)`` for multilabel, or values
                ``(N,)`` or ``(N, C)`` for regression.

        Raises:
            UsageError: Student features or targets are missing, or a shape does not fit.
        """
        if student_features is None or targets is None:
            missing = "student features" if student_features is None else "targets"
            raise UsageError(
                "b-tuning is fitted on labels and on the untrained student's features; "
                f"received no {missing}; call prepare(features, student_features, targets=labels)"
            )
        self._check(student_features, teacher_features)
        if not self._teachers_loaded:
            fits = [
                fit_logme(teacher_features[name], targets, self.task, outputs=self.outputs)
                for name in self.teacher_dims
            ]
            evidence = torch.tensor([fit.evidence for fit in fits], dtype=torch.float64)
            self.mixture = torch.softmax(evidence / TEMPERATURE, dim=0).float().to(student_features.device)
            self.means = torch.cat([fit.means for fit in fits], dim=1).float()
        self.student_means = fit_logme(student_features, targets, self.task, outputs=self.outputs).means.float()

    def compute(self, student: Tensor, teacher: Tensor, *, logits: Tensor | None, targets: Tensor | None) -> Tensor:
        """Compute the mean squared difference of the two linear predictions."""
        if self.means is None or self.mixture is None or self.student_means is None:
            raise UsageError(
                "b-tuning needs fitted means; received none; "
                "call objective.prepare(features, student_features, targets=labels) first"
            )
        widths = torch.tensor(list(self.teacher_dims.values()), device=teacher.device)
        weights = self.mixture.to(teacher.dtype).repeat_interleave(widths)
        target = (teacher * weights) @ self.means.to(teacher.dtype).T
        return (student @ self.student_means.to(student.dtype).T - target).square().mean()
