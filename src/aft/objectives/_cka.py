"""Centred kernel alignment (CKA) as an objective."""

import torch
from torch import Tensor

from aft.errors import UsageError
from aft.objectives._base import Objective


class CKA(Objective):
    """One minus the CKA of the two linear kernels, with the unbiased estimator of HSIC.

    Args:
        teacher_dims: Width ``D_m`` of each teacher's features, keyed by name.
        student_dim: Width ``d`` of the student's features.

    Source:
        Kornblith et al.: Similarity of Neural Network Representations Revisited, ICML 2019; the unbiased
        estimator for batches is from Nguyen et al., ICLR 2021.

    Example:
        >>> objective = CKA({"clip": 512}, student_dim=64)
        >>> loss = task_loss + objective(student_features, {"clip": features})
    """

    def compute(self, student: Tensor, teacher: Tensor, *, logits: Tensor | None, targets: Tensor | None) -> Tensor:
        """Compute one minus the alignment."""
        if len(student) < 4:
            raise UsageError(
                f"cka needs a batch of 4 samples or more; received {len(student)}; increase the batch size"
            )
        # The estimator subtracts sums of B^2 terms from each other, which needs float64.
        wide = torch.float32 if student.device.type == "mps" else torch.float64
        k, x = _kernel(student.to(wide)), _kernel(teacher.to(wide))
        scale = (_hsic(k, k) * _hsic(x, x)).clamp(min=torch.finfo(torch.float32).tiny).sqrt()
        return (1 - _hsic(k, x) / scale).to(student.dtype)


def _kernel(features: Tensor) -> Tensor:
    """Linear kernel with a zero diagonal, ``(B, B)``."""
    gram = features @ features.T
    return gram - torch.diag(gram.diagonal())


def _hsic(k: Tensor, x: Tensor) -> Tensor:
    """Unbiased estimate of HSIC from kernels with zero diagonals."""
    m = len(k)
    total = (k * x).sum() + k.sum() * x.sum() / ((m - 1) * (m - 2)) - 2 * (k.sum(0) @ x.sum(0)) / (m - 2)
    return total / (m * (m - 3))
