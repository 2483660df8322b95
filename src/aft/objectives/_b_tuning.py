"""B-Tuning: the student's features keep to what Bayesian linear models read from the teachers'."""

from collections.abc import Mapping
from typing import get_args

import torch
from torch import Tensor

from aft.errors import UsageError, did_you_mean
from aft.objectives._base import Objective
from aft.probing import fit_logme
from aft.probing import Task

#: Of the softmax that weighs teachers by their LogME.
TEMPERATURE = 0.1


class BTuning(Objective):
    """Match linear read-outs of both sides: ``mean((phi M_S^T - sum_k pi_k psi_k M_k^T)^2)``.

    ``M`` are the posterior means (classes x dims) that LogME fits to the targets, ``M_S`` on the student's features before training;
    all stay fixed. ``pi = softmax(LogME / 0.1)`` over the teachers.

    ``M_S`` belongs to one student and is no part of `fitted_state`: an objective that adopted the teachers' part still needs
    `prepare`, which then fits ``M_S`` alone.

    Args:
        teacher_dims: Width ``D_m`` of each teacher's features, by name.
        student_dim: Width ``d`` of the student's features.
        task: ``"classification"``, ``"multilabel"`` or ``"regression"``.
        outputs: Number of classes, where the samples it is fitted on may not show them all.

    Raises:
        UsageError: An unknown task.

    Source:
        You, Liu, Zhang, Wang, Jordan, Long: Ranking and Tuning Pre-trained Models, JMLR 2022.

    Example:
        >>> objective = BTuning({"clip": 512}, student_dim=64)
        >>> objective.prepare({"clip": training_features}, student_features_before_training, targets=training_labels)
        >>> loss = task_loss + objective(student_features, {"clip": features})
    """

    needs_preparation = True
    needs_student_features = True
    needs_task = True
    fitted = ("means", "mixture")
    #: ``(C, D)``, the teachers' means side by side.
    means: Tensor | None
    #: ``(K,)``, the weight of each teacher.
    mixture: Tensor | None
    #: ``(C, d)``.
    student_means: Tensor | None

    def __init__(
        self,
        teacher_dims: Mapping[str, int],
        student_dim: int,
        *,
        task: Task = "classification",
        outputs: int | None = None,
    ) -> None:
        super().__init__(teacher_dims, student_dim)
        if task not in get_args(Task):
            raise UsageError(f"unknown option task={task!r}{did_you_mean(str(task), get_args(Task))}")
        self.task: Task = task
        self.outputs = outputs
        self._adopted = False
        # Fitted statistics: fitted again, to the same numbers, wherever training resumes.
        for name in ("means", "mixture", "student_means"):
            self.register_buffer(name, None, persistent=False)

    def adopt_fitted(self, state: Mapping[str, Tensor]) -> None:
        """Take the teachers' part from another objective; `prepare` then fits the student's alone."""
        super().adopt_fitted(state)
        self._adopted = True

    def prepare(
        self,
        teacher_features: Mapping[str, Tensor],
        student_features: Tensor | None = None,
        targets: Tensor | None = None,
    ) -> None:
        """Fit the means and weigh the teachers.

        Args:
            teacher_features: Features ``(N, D_m)`` of the labelled training samples alone, by teacher.
            student_features: The student's features of the same samples before training, ``(N, d)``.
            targets: Class indices ``(N,)``, 0/1 ``(N, C)``, or values ``(N,)`` or ``(N, C)``, as the task asks.

        Raises:
            UsageError: No student features, no targets, or shapes that do not fit.
        """
        if student_features is None or targets is None:
            missing = "student features" if student_features is None else "targets"
            raise UsageError(
                f"b-tuning is fitted on labels and on the student's features before training; received no {missing}; "
                "call prepare(features, student_features, targets=labels)"
            )
        self._check(student_features, teacher_features)
        if not self._adopted:
            fits = [
                fit_logme(teacher_features[name], targets, self.task, outputs=self.outputs)
                for name in self.teacher_dims
            ]
            evidence = torch.tensor([fit.evidence for fit in fits], dtype=torch.float64)
            self.mixture = torch.softmax(evidence / TEMPERATURE, dim=0).float().to(student_features.device)
            self.means = torch.cat([fit.means for fit in fits], dim=1).float()
        self.student_means = fit_logme(student_features, targets, self.task, outputs=self.outputs).means.float()

    def compute(self, student: Tensor, teacher: Tensor, *, logits: Tensor | None, targets: Tensor | None) -> Tensor:
        """The mean squared difference of the two read-outs; see the class."""
        if self.means is None or self.mixture is None or self.student_means is None:
            raise UsageError(
                "b-tuning needs its means; received none; call objective.prepare(features, student_features, targets=labels) first"
            )
        widths = torch.tensor(list(self.teacher_dims.values()), device=teacher.device)
        weights = self.mixture.to(teacher.dtype).repeat_interleave(widths)
        target = (teacher * weights) @ self.means.to(teacher.dtype).T
        return (student @ self.student_means.to(student.dtype).T - target).square().mean()
