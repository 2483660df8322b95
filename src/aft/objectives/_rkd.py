"""Relational knowledge distillation."""

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from aft.objectives._base import Objective

#: Numbers in a block of the B x B x B cosines: 4 million, so that memory does not grow with the cube of the batch.
BLOCK = 1 << 22


class RKD(Objective):
    """Match distances between pairs and angles between triplets: ``(D + 2A) / 2``.

    D is the smooth L1 of pairwise distances, each side divided by the mean of its non-zero ones; A that of the cosines of the
    angle at the first of three samples. Means run over all pairs and triplets, repeated indices included. The cosines come from
    the B x B Gram matrix, a block of vertices at a time, and are computed again on the way back: never a tensor of B x B x B x d.

    Args:
        teacher_dims: Width ``D_m`` of each teacher's features, by name.
        student_dim: Width ``d`` of the student's features.

    Source:
        Park, Kim, Lu, Cho: Relational Knowledge Distillation, CVPR 2019; the weights 1:2 are the paper's.

    Example:
        >>> objective = RKD({"clip": 512}, student_dim=64)
        >>> loss = task_loss + objective(student_features, {"clip": features})
    """

    def compute(self, student: Tensor, teacher: Tensor, *, logits: Tensor | None, targets: Tensor | None) -> Tensor:
        """Half the distance term plus the angle term; see the class."""
        wide = torch.float32 if student.device.type == "mps" else torch.float64
        gram, other = _gram(student.to(wide)), _gram(teacher.to(wide))
        distances, others = _distances(gram), _distances(other)
        pairs = F.smooth_l1_loss(_by_mean(distances), _by_mean(others))
        batch = len(gram)
        step = max(1, BLOCK // (batch * batch))
        angles = gram.new_zeros(())
        for start in range(0, batch, step):
            rows = slice(start, start + step)
            angles = angles + checkpoint(_angle_terms, gram, distances, other, others, rows, use_reentrant=False)
        return ((pairs + 2 * angles / batch**3) / 2).to(student.dtype)


def _gram(features: Tensor) -> Tensor:
    # Distances and angles do not change when all samples move together; the Gram's digits do.
    centred = features - features.mean(dim=0).detach()
    return centred @ centred.T


def _distances(gram: Tensor) -> Tensor:
    squares = gram.diagonal()
    squared = (squares[:, None] + squares[None, :] - 2 * gram).clamp(min=0)
    noise = squared <= 1e-13 * (squares[:, None] + squares[None, :])
    # The root's slope at zero is infinite: equal samples are set aside before it, not after.
    return torch.where(noise, torch.zeros_like(squared), torch.where(noise, torch.ones_like(squared), squared).sqrt())


def _by_mean(distances: Tensor) -> Tensor:
    return distances / (distances.sum() / (distances > 0).sum().clamp(min=1)).clamp(min=1e-12)


def _cosines(gram: Tensor, distances: Tensor, rows: slice) -> Tensor:
    """Cosine at vertex i between j and k, ``(rows, B, B)``."""
    part = gram[rows]
    squares = gram.diagonal()[rows]
    products = gram[None] - part[:, :, None] - part[:, None, :] + squares[:, None, None]
    lengths = distances[rows]
    inverse = torch.where(
        lengths > 0, 1 / torch.where(lengths > 0, lengths, torch.ones_like(lengths)), torch.zeros_like(lengths)
    )
    return products * inverse[:, :, None] * inverse[:, None, :]


def _angle_terms(gram: Tensor, distances: Tensor, other: Tensor, others: Tensor, rows: slice) -> Tensor:
    return F.smooth_l1_loss(_cosines(gram, distances, rows), _cosines(other, others, rows), reduction="sum")
