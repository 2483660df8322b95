"""Adaptive Feature Transfer (Qiu et al., ICML 2024, arXiv 2406.07337)."""

from collections.abc import Mapping
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from aft.errors import UsageError, did_you_mean
from aft.objectives._base import Objective
from aft.objectives._kernels import (
    EPSILON,
    centre,
    cheaper_form,
    distance_between_features,
    distance_between_samples,
    rbf,
    unit_rows,
)

Gates = Literal["diagonal", "fixed", "dense"]
Kernel = Literal["linear", "rbf", "none"]
Form = Literal["auto", "sample", "feature"]


class AFT(Objective):
    """Make the student's kernel over a batch match the kernel of the gated teacher features.

    Teacher features are weighted per dimension by learned gates ``sigmoid(s)``; both sides are centred over the batch
    and their rows scaled to unit length; ``R`` is the root mean square of the difference of the two B x B kernels.
    Gradients flow into the student and into the gates, so that only what the student can and should keep is asked of it.

    Args:
        teacher_dims: Width ``D_m`` of each teacher's features, by name.
        student_dim: Width ``d`` of the student's features.
        gates: ``"diagonal"`` learns one weight a dimension; ``"fixed"`` leaves all at one half; ``"dense"`` learns a
            full ``D x D`` map, entries from N(0, 1/D), without a sigmoid.
        kernel: ``"linear"``; ``"rbf"`` for ``exp(-||z_i - z_j||^2)`` on the unit rows; ``"none"`` for the mean squared error
            between the centred student features and a centred learned linear map of the teachers' (gates play no part).
        form: How the linear kernels are compared: ``"sample"`` with B x B matrices, ``"feature"`` with matrices of the
            features' widths, ``"auto"`` the one with fewer multiplications. The value is the same.

    Raises:
        UsageError: An unknown option, or ``form="feature"`` with another kernel than the linear.

    Source:
        Qiu, Han, Maddix, Zhang, Wang, Wilson: Transferring Knowledge from Large Foundation Models to Small Downstream
        Models, ICML 2024.

    Example:
        >>> objective = AFT({"dinov2": 1536, "clip": 1024}, student_dim=384)
        >>> loss = task_loss + 10.0 * objective(student_features, {"dinov2": f1, "clip": f2})
        >>> objective.gate_weights()["clip"].shape
        torch.Size([1024])
    """

    def __init__(
        self,
        teacher_dims: Mapping[str, int],
        student_dim: int,
        *,
        gates: Gates = "diagonal",
        kernel: Kernel = "linear",
        form: Form = "auto",
    ) -> None:
        super().__init__(teacher_dims, student_dim)
        for option, value, known in (("gates", gates, Gates), ("kernel", kernel, Kernel), ("form", form, Form)):
            if value not in get_args(known):
                raise UsageError(f"unknown option {option}={value!r}{did_you_mean(str(value), get_args(known))}")
        if form == "feature" and kernel != "linear":
            raise UsageError(
                f"the feature-space form exists for the linear kernel alone; received kernel={kernel!r}; use form='auto'"
            )
        self.gates = gates
        self.kernel = kernel
        self.form = form
        width = sum(self.teacher_dims.values())
        self.map: nn.Linear | None = None
        self.dense: nn.Parameter | None = None
        if kernel == "none":
            self.map = nn.Linear(width, student_dim, bias=False)  # a bias would be centred away
        elif gates == "dense":
            self.dense = nn.Parameter(torch.randn(width, width) / width**0.5)
        else:
            # One vector for all teachers: their names may hold what a parameter's name may not.
            self.gate_logits = nn.Parameter(torch.zeros(width), requires_grad=gates == "diagonal")

    def gate_parameters(self) -> list[nn.Parameter]:
        """The gates, diagonal or dense."""
        if self.kernel == "none":
            return []
        return [self.dense] if self.dense is not None else [self.gate_logits]

    def gate_weights(self) -> dict[str, Tensor]:
        """The weight of each teacher dimension, by teacher.

        Returns:
            For each teacher a detached tensor ``(D_m,)`` of numbers in (0, 1).

        Raises:
            UsageError: ``gates="dense"`` or ``kernel="none"``, which have no weight per dimension.
        """
        if self.kernel == "none" or self.gates == "dense":
            option = "kernel='none'" if self.kernel == "none" else "gates='dense'"
            raise UsageError(
                f"{option} has no weight per teacher dimension to read; use gates='diagonal' and kernel='linear'"
            )
        weights = torch.sigmoid(self.gate_logits.detach())
        return dict(zip(self.teacher_dims, weights.split(list(self.teacher_dims.values())), strict=True))

    def compute(self, student: Tensor, teacher: Tensor, *, logits: Tensor | None, targets: Tensor | None) -> Tensor:
        """The root mean square difference of the two kernels; see the class."""
        if self.map is not None:
            mapped = teacher @ self.map.weight.to(teacher.dtype).T
            return (centre(student) - centre(mapped)).square().mean()
        if self.dense is not None:
            gated = teacher @ self.dense.to(teacher.dtype).T
        else:
            gated = teacher * torch.sigmoid(self.gate_logits.to(teacher.dtype))
        z, t = unit_rows(centre(student)), unit_rows(centre(gated))
        if self.kernel == "rbf":
            difference = (rbf(z) - rbf(t)).square().mean()
        elif self._form(z, t) == "sample":
            difference = distance_between_samples(z, t)
        else:
            difference = distance_between_features(z, t)
        return torch.sqrt(difference + EPSILON)

    def _form(self, z: Tensor, t: Tensor) -> str:
        if self.form != "auto":
            return self.form
        return cheaper_form(z.shape[0], z.shape[1], t.shape[1], z.dtype, z.device)

    def extra_repr(self) -> str:
        """What ``repr`` shows between the brackets."""
        return f"{self.teacher_dims}, student_dim={self.student_dim}, gates={self.gates!r}, kernel={self.kernel!r}"
