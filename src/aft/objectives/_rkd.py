"""Relational knowledge distillation (RKD)."""

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from aft.objectives._base import Objective

#: Elements per block of the B x B x B cosines. A fixed size keeps memory from growing with the cube of B.
BLOCK = 1 << 22


class RKD(Objective):
    """Match distances between pairs and angles between triplets: ``(D + 2A) / 2``.

    D is the smooth L1 loss of the pairwise distances, each side divided by the mean of its non-zero
    distances. A is the smooth L1 loss of the cosines of the angle at the first of three samples. Both are
    means over all pairs and triplets, repeated indices included. The cosines are computed from the B x B Gram
    matrix, one block of vertices at a time, and are recomputed in the backward pass, so no B x B x B x d
    tensor is ever built.

    Args:
        teacher_dims: Width ``D_m`` of each teacher's features, keyed by name.
        student_dim: Width ``d`` of the student's features.

    Source:
        Park, Kim, Lu, Cho: Relational Knowledge Distillation, CVPR 2019; the weights 1:2 are the paper's.

    Example:
        >>> objective = RKD({"clip": 512}, student_dim=64)
        >>> loss = task_loss + objective(student_features, {"clip": features})
    """

    def compute(self, student: Tensor, teacher: Tensor, *, logits: Tensor | None, targets: Tensor | None) -> Tensor:
        """Compute half the distance term plus the angle term."""
        wide = torch.float32 if student.device.type == "mps" else torch.float64
        student_gram, teacher_gram = _gram(student.to(wide)), _gram(teacher.to(wide))
        student_distances, teacher_distances = _distances(student_gram), _distances(teacher_gram)
        pairs = F.smooth_l1_loss(_over_mean(student_distances), _over_mean(teacher_distances))
        batch = len(student_gram)
        step = max(1, BLOCK // (batch * batch))
        angles = student_gram.new_zeros(())
        for start in range(0, batch, step):
            vertices = slice(start, start + step)
            angles = angles + checkpoint(
                _angle_terms,
                student_gram,
                student_distances,
                teacher_gram,
                teacher_distances,
                vertices,
                use_reentrant=False,
            )
        return ((pairs + 2 * angles / batch**3) / 2).to(student.dtype)


def _gram(features: Tensor) -> Tensor:
    # Translating all samples changes no distance or angle, but centring saves digits of the Gram matrix.
    centred = features - features.mean(dim=0).detach()
    return centred @ centred.T


def _distances(gram: Tensor) -> Tensor:
    squares = gram.diagonal()
    squared = (squares[:, None] + squares[None, :] - 2 * gram).clamp(min=0)
    noise = squared <= 1e-13 * (squares[:, None] + squares[None, :])
    # The square root has an infinite slope at zero, so equal samples must be replaced before it is taken.
    return torch.where(noise, torch.zeros_like(squared), torch.where(noise, torch.ones_like(squared), squared).sqrt())


def _over_mean(distances: Tensor) -> Tensor:
    """Divide distances by the mean of the non-zero ones."""
    return distances / (distances.sum() / (distances > 0).sum().clamp(min=1)).clamp(min=1e-12)


def _cosines(gram: Tensor, distances: Tensor, vertices: slice) -> Tensor:
    """Cosine of the angle at vertex i between j and k, ``(vertices, B, B)``."""
    part = gram[vertices]
    squares = gram.diagonal()[vertices]
    products = gram[None] - part[:, :, None] - part[:, None, :] + squares[:, None, None]
    lengths = distances[vertices]
    inverse = torch.where(
        lengths > 0, 1 / torch.where(lengths > 0, lengths, torch.ones_like(lengths)), torch.zeros_like(lengths)
    )
    return products * inverse[:, :, None] * inverse[:, None, :]


def _angle_terms(
    student_gram: Tensor, student_distances: Tensor, teacher_gram: Tensor, teacher_distances: Tensor, vertices: slice
) -> Tensor:
    return F.smooth_l1_loss(
        _cosines(student_gram, student_distances, vertices),
        _cosines(teacher_gram, teacher_distances, vertices),
        reduction="sum",
    )
