"""Similarity-preserving distillation."""

import torch
from torch import Tensor

from aft.objectives._base import Objective


class SP(Objective):
    """Match the rows of the two Gram matrices: ``||G_S - G_T||_F^2 / B^2``, each row of a Gram scaled to unit length.

    Args:
        teacher_dims: Width ``D_m`` of each teacher's features, by name.
        student_dim: Width ``d`` of the student's features.

    Source:
        Tung and Mori: Similarity-Preserving Knowledge Distillation, ICCV 2019.

    Example:
        >>> objective = SP({"clip": 512}, student_dim=64)
        >>> loss = task_loss + 100 * objective(student_features, {"clip": features})
    """

    def compute(self, student: Tensor, teacher: Tensor, *, logits: Tensor | None, targets: Tensor | None) -> Tensor:
        """The mean squared difference; see the class."""
        return (_rows(student @ student.T) - _rows(teacher @ teacher.T)).square().mean()


def _rows(gram: Tensor) -> Tensor:
    """Each row at unit length; a row of zeros stays, and passes no gradient on."""
    norms: Tensor = torch.linalg.vector_norm(gram, dim=1, keepdim=True)
    return gram / torch.where(norms > 0, norms, torch.ones_like(norms))
