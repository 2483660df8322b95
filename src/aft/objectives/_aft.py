"""Adaptive Feature Transfer (Qiu et al., ICML 2024, arXiv 2406.07337)."""

from collections.abc import Mapping, Sequence
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from aft.errors import UsageError, name_some
from aft.objectives._base import Objective, check_choice, check_factors
from aft.objectives._kernel_distance import cheaper_space, kernel_distance
from aft.objectives._kernels import EPSILON, centre, product_kernel, rbf, unit_rows

Gates = Literal["diagonal", "fixed", "dense"]
Kernel = Literal["linear", "rbf", "product", "none"]
Space = Literal["auto", "sample", "feature"]


class AFT(Objective):
    """Make the student's kernel over a batch match the kernel of the gated teacher features.

    Learned gates ``sigmoid(s)`` weight each dimension of the teacher features. Both sides are centred over
    the batch and their rows are scaled to unit length. ``R`` is the root mean square of the difference of the
    two B x B kernels. Gradients flow into the student and into the gates, so the gates can drop teacher
    features that do not help.

    Args:
        teacher_dims: Width ``D_m`` of each teacher's features, keyed by name.
        student_dim: Width ``d`` of the student's features.
        gates: ``"diagonal"`` learns one weight per dimension. ``"fixed"`` keeps all weights at one half.
            ``"dense"`` learns a full ``D x D`` map, initialised from N(0, 1/D), without a sigmoid.
        kernel: ``"linear"``; ``"rbf"`` for ``exp(-||z_i - z_j||^2)`` on the unit rows; ``"product"`` for the linear kernel of the outer
            products of the factors' gated features, where the task is how an image and a text go together; or ``"none"`` for the
            mean squared error between the centred student features and a centred, learned linear map of the
            teacher features, which uses no gates.
        space: Where the linear kernels are compared: ``"sample"`` uses B x B matrices, ``"feature"`` uses
            matrices of the features' widths, and ``"auto"`` takes whichever needs fewer multiplications. The
            value is the same.
        factors: For the product kernel, names of the teachers whose features are concatenated to each factor; every teacher is in
            one. By default each is a factor by itself.

    Raises:
        UsageError: An option is unknown, ``space="feature"`` is combined with a kernel that is not linear, or the product kernel with
            dense gates, a single teacher or a teacher that is in no factor.

    Source:
        Qiu, Han, Maddix, Zhang, Wang, Wilson: Transferring Knowledge from Large Foundation Models to Small
        Downstream Models, ICML 2024.

    Example:
        >>> objective = AFT({"dinov2": 1536, "clip": 1024}, student_dim=384)
        >>> loss = task_loss + 10.0 * objective(student_features, {"dinov2": f1, "clip": f2})
        >>> objective.gate_weights()["clip"].shape
        torch.Size([1024])
    """

    takes_factors = True

    def __init__(
        self,
        teacher_dims: Mapping[str, int],
        student_dim: int,
        *,
        gates: Gates = "diagonal",
        kernel: Kernel = "linear",
        space: Space = "auto",
        factors: Sequence[Sequence[str]] = (),
    ) -> None:
        super().__init__(teacher_dims, student_dim)
        for option, value, known in (("gates", gates, Gates), ("kernel", kernel, Kernel), ("space", space, Space)):
            check_choice(option, value, get_args(known))
        if space == "feature" and kernel != "linear":
            raise UsageError(
                f"only the linear kernel can be compared in feature space; received kernel={kernel!r}; use space='auto'"
            )
        if kernel == "product" and (gates == "dense" or len(self.teacher_dims) < 2):
            received = "gates='dense'" if gates == "dense" else f"one, {next(iter(self.teacher_dims))!r}"
            raise UsageError(
                f"the product kernel multiplies the features of two or more teachers, with a gate for each dimension; received {received}; "
                "use kernel='linear'"
            )
        self.factors = check_factors(factors, self.teacher_dims)
        if kernel == "product":
            self.factors = self.factors or tuple((name,) for name in self.teacher_dims)
            if sum(map(len, self.factors)) < len(self.teacher_dims):
                raise UsageError(
                    "the product kernel multiplies factors, and every teacher is in one; "
                    f"received {[list(factor) for factor in self.factors]!r} for the teachers {name_some(self.teacher_dims)}; "
                    "add the others, or use kernel='linear'"
                )
        self.gates = gates
        self.kernel = kernel
        self.space = space
        width = sum(self.teacher_dims.values())
        self.map: nn.Linear | None = None
        self.dense: nn.Parameter | None = None
        if kernel == "none":
            self.map = nn.Linear(width, student_dim, bias=False)  # centring would cancel a bias
        elif gates == "dense":
            self.dense = nn.Parameter(torch.randn(width, width) / width**0.5)
        else:
            # One vector for all teachers: names of teachers may contain dots, names of parameters may not.
            self.gate_logits = nn.Parameter(torch.zeros(width), requires_grad=gates == "diagonal")

    def gate_parameters(self) -> list[nn.Parameter]:
        """Return the gates, diagonal or dense."""
        if self.kernel == "none":
            return []
        return [self.dense] if self.dense is not None else [self.gate_logits]

    def gate_weights(self) -> dict[str, Tensor]:
        """Return the weight of each teacher dimension.

        Returns:
            For each teacher, keyed by name, a detached tensor ``(D_m,)`` of values in (0, 1).

        Raises:
            UsageError: The objective uses ``gates="dense"`` or ``kernel="none"``, which have no weight per
                dimension.
        """
        if self.kernel == "none" or self.gates == "dense":
            option = "kernel='none'" if self.kernel == "none" else "gates='dense'"
            raise UsageError(
                "gate weights need one weight per teacher dimension; "
                f"received {option}; use gates='diagonal' and kernel='linear'"
            )
        weights = torch.sigmoid(self.gate_logits.detach())
        return dict(zip(self.teacher_dims, weights.split(list(self.teacher_dims.values())), strict=True))

    def compute(self, student: Tensor, teacher: Tensor, *, logits: Tensor | None, targets: Tensor | None) -> Tensor:
        """Compute the root mean square difference of the two kernels."""
        if self.map is not None:
            mapped = teacher @ self.map.weight.to(teacher.dtype).T
            return (centre(student) - centre(mapped)).square().mean()
        gates = None
        if self.dense is not None:
            teacher = teacher @ self.dense.to(teacher.dtype).T
        else:
            gates = torch.sigmoid(self.gate_logits.to(teacher.dtype))
        if self.kernel == "linear":
            return kernel_distance(student, teacher, gates, self._space_for(student, teacher))
        z = unit_rows(centre(student))
        gated = teacher if gates is None else teacher * gates
        if self.kernel == "product":
            parts = dict(zip(self.teacher_dims, gated.split(list(self.teacher_dims.values()), dim=1), strict=True))
            factors = [torch.cat([parts[name] for name in factor], dim=1) for factor in self.factors]
            return torch.sqrt((z @ z.T - product_kernel(factors)).square().mean() + EPSILON)
        t = unit_rows(centre(gated))
        return torch.sqrt((rbf(z) - rbf(t)).square().mean() + EPSILON)

    def _space_for(self, student: Tensor, teacher: Tensor) -> str:
        if self.space != "auto":
            return self.space
        return cheaper_space(len(student), student.shape[1], teacher.shape[1], student.dtype, student.device)

    def extra_repr(self) -> str:
        """Return the part of ``repr`` between the parentheses."""
        return f"{self.teacher_dims}, student_dim={self.student_dim}, gates={self.gates!r}, kernel={self.kernel!r}"
