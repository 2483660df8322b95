"""Centred kernel alignment."""

import torch
from torch import Tensor

from aft.errors import UsageError
from aft.objectives._base import Objective


class CKA(Objective):
    """One minus the centred alignment of the two linear kernels, by the unbiased estimate of HSIC.

    Args:
        teacher_dims: Width ``D_m`` of each teacher's features, by name.
        student_dim: Width ``d`` of the student's features.

    Source:
        Kornblith et al., ICML 2019; the unbiased estimate for batches from Nguyen et al., ICLR 2021.

    Example:
        >>> objective = CKA({"clip": 512}, student_dim=64)
        >>> loss = task_loss + objective(student_features, {"clip": features})
    """

    def compute(self, student: Tensor, teacher: Tensor, *, logits: Tensor | None, targets: Tensor | None) -> Tensor:
        """One minus the alignment; see the class."""
        if len(student) < 4:
            raise UsageError(
                f"the unbiased alignment needs a batch of 4 or more; received {len(student)}; raise the batch size"
            )
        # The estimate takes sums of B^2 terms from each other: float64 keeps what is left of them.
        wide = torch.float32 if student.device.type == "mps" else torch.float64
        k, x = _kernel(student.to(wide)), _kernel(teacher.to(wide))
        scale = (_hsic(k, k) * _hsic(x, x)).clamp(min=torch.finfo(torch.float32).tiny).sqrt()
        return (1 - _hsic(k, x) / scale).to(student.dtype)


def _kernel(features: Tensor) -> Tensor:
    gram = features @ features.T
    return gram - torch.diag(gram.diagonal())


def _hsic(k: Tensor, x: Tensor) -> Tensor:
    m = len(k)
    total = (k * x).sum() + k.sum() * x.sum() / ((m - 1) * (m - 2)) - 2 * (k.sum(0) @ x.sum(0)) / (m - 2)
    return total / (m * (m - 3))
