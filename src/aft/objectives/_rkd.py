"""Relational knowledge distillation (RKD)."""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from aft.errors import UsageError
from aft.objectives._base import Objective

#: Elements of the B x B x B cosines at a time: on a CPU as many as its cache holds, and enough for a GPU to be busy.
CPU_BLOCK, GPU_BLOCK = 1 << 16, 1 << 22


class RKD(Objective):
    """Match distances between pairs and angles between triplets: ``(D + 2A) / 2``.

    D is the smooth L1 loss of the pairwise distances, each side divided by the mean of its non-zero
    distances. A is the smooth L1 loss of the cosines of the angle at the first of three samples. Both are
    means over all pairs and triplets, repeated indices included. The cosines are computed from the B x B Gram
    matrix, one block of vertices at a time, together with their gradient, so no B x B x B tensor is ever
    built. The gradient cannot be differentiated again.

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
        pairs = F.smooth_l1_loss(_over_mean(_distances(student_gram)), _over_mean(_distances(teacher_gram)))
        angles: Tensor = _Angles.apply(student_gram, teacher_gram)
        return ((pairs + 2 * angles / len(student) ** 3) / 2).to(student.dtype)


def _gram(features: Tensor) -> Tensor:
    # Translating all samples changes no distance or angle, but centring saves digits of the Gram matrix.
    centred = features - features.mean(dim=0).detach()
    return centred @ centred.T


def _squared_distances(gram: Tensor) -> tuple[Tensor, Tensor]:
    """Squared distances, ``(B, B)``, and which of them are of equal samples: zero, or what rounding makes of it."""
    squares = gram.diagonal()
    squared = (squares[:, None] + squares[None, :] - 2 * gram).clamp(min=0)
    return squared, squared <= 1e-13 * (squares[:, None] + squares[None, :])


def _distances(gram: Tensor) -> Tensor:
    squared, equal = _squared_distances(gram)
    # The square root has an infinite slope at zero, so equal samples must be replaced before it is taken.
    return torch.where(equal, torch.zeros_like(squared), torch.where(equal, torch.ones_like(squared), squared).sqrt())


def _over_mean(distances: Tensor) -> Tensor:
    """Divide distances by the mean of the non-zero ones."""
    return distances / (distances.sum() / (distances > 0).sum().clamp(min=1)).clamp(min=1e-12)


class _Angles(torch.autograd.Function):
    """The sum over all triplets of the smooth L1 loss of two cosines, of two Gram matrices.

    Value and gradient come from the same cosines, so that these are computed once.
    """

    @staticmethod
    def forward(ctx: Any, student: Tensor, teacher: Tensor) -> Tensor:
        batch, block = len(student), CPU_BLOCK if student.device.type == "cpu" else GPU_BLOCK
        step = max(1, block // batch**2)
        sides = (_Side(student, ctx.needs_input_grad[0]), _Side(teacher, ctx.needs_input_grad[1]))
        total = student.new_zeros(())
        for start in range(0, batch, step):
            vertices = slice(start, start + step)
            own, theirs = (side.cosines(vertices) for side in sides)
            difference = own - theirs
            slope = difference.clamp(-1, 1)
            total += torch.dot(slope.flatten(), difference.sub_(slope, alpha=0.5).flatten())
            for side, cosines, sign in zip(sides, (own, theirs), (1, -1), strict=True):
                if side.gradient is not None:
                    side.add_gradient(side.gradient, vertices, cosines, slope, sign)
        ctx.save_for_backward(*(side.gradient for side in sides))
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        if torch.is_grad_enabled():  # the saved gradient would count as a constant
            raise UsageError(
                "the gradient of RKD cannot be differentiated again; received create_graph=True; leave it out, or use the objective aft"
            )
        return tuple(None if found is None else gradient * found for found in ctx.saved_tensors)


class _Side:
    """The cosines of a Gram matrix, and the gradient at it.

    With centred features x and ``b_ij = 1 / |x_j - x_i|``, the cosine of the angle at i between j and k is
    ``(G_jk - G_ij - G_ik + G_ii) b_ij b_ik``. Where two samples are equal, b is zero.
    """

    def __init__(self, gram: Tensor, needs_gradient: bool) -> None:
        self.gram = gram
        squared, equal = _squared_distances(gram)
        self.inverse = torch.where(equal, torch.zeros_like(squared), squared.rsqrt())
        self.gradient = torch.zeros_like(gram) if needs_gradient else None

    def cosines(self, vertices: slice) -> Tensor:
        """Cosines of the angles at some vertices, ``(vertices, B, B)``."""
        inverse, shift = self.inverse[vertices], self.gram.diagonal()[vertices, None] / 2 - self.gram[vertices]
        found = self.gram + shift[:, :, None]
        return found.add_(shift[:, None, :]).mul_(inverse[:, :, None]).mul_(inverse[:, None, :])

    def add_gradient(self, gradient: Tensor, vertices: slice, cosines: Tensor, slope: Tensor, sign: int) -> None:
        """Add what some vertices contribute to the gradient at the Gram matrix.

        Args:
            gradient: The gradient so far, ``(B, B)``, changed in place.
            vertices: The vertices.
            cosines: Their cosines. The tensor is used up.
            slope: Gradient at the cosines, ``(vertices, B, B)``, up to its sign.
            sign: Its sign.
        """
        inverse, diagonal = self.inverse[vertices], gradient.diagonal()
        # Through b: both sides of an angle have the same part in it, since cosines are symmetric.
        through_lengths = cosines.mul_(slope).sum(dim=2).mul_(inverse.square()).mul_(sign)
        products = torch.mul(slope, inverse[:, :, None], out=cosines).mul_(inverse[:, None, :])
        rows = products.sum(dim=2).mul_(sign)
        gradient.add_(products.sum(dim=0), alpha=sign)
        gradient[vertices] += 2 * (through_lengths - rows)
        diagonal.sub_(through_lengths.sum(dim=0))
        diagonal[vertices] += rows.sum(dim=1) - through_lengths.sum(dim=1)
