"""Similarity-preserving distillation (SP)."""

from torch import Tensor

from aft.objectives._base import Objective
from aft.objectives._kernels import exact_unit_rows


class SP(Objective):
    """Match the rows of the two Gram matrices, scaled to unit length: ``||G_S - G_T||_F^2 / B^2``.

    Args:
        teacher_dims: Width ``D_m`` of each teacher's features, keyed by name.
        student_dim: Width ``d`` of the student's features.

    Source:
        Tung and Mori: Similarity-Preserving Knowledge Distillation, ICCV 2019.

    Example:
        >>> objective = SP({"clip": 512}, student_dim=64)
        >>> loss = task_loss + 100 * objective(student_features, {"clip": features})
    """

    def compute(self, student: Tensor, teacher: Tensor, *, logits: Tensor | None, targets: Tensor | None) -> Tensor:
        """Compute the mean squared difference of the scaled Gram matrices."""
        return (exact_unit_rows(student @ student.T) - exact_unit_rows(teacher @ teacher.T)).square().mean()
