"""Feature regression, which the AFT paper calls knowledge distillation (KD)."""

from collections.abc import Mapping

from torch import Tensor, nn

from aft.objectives._base import Objective


class KD(Objective):
    """Predict the teachers' features with a learned linear map: ``mean((W phi + b - psi)^2)``.

    This is not Hinton's distillation of logits; for that, see `ProbeKD`.

    Args:
        teacher_dims: Width ``D_m`` of each teacher's features, keyed by name.
        student_dim: Width ``d`` of the student's features.

    Source:
        Romero et al.: FitNets, ICLR 2015, with the linear map from student to teacher of Qiu et al. 2024.

    Example:
        >>> objective = KD({"clip": 512}, student_dim=64)
        >>> loss = task_loss + objective(student_features, {"clip": features})
    """

    def __init__(self, teacher_dims: Mapping[str, int], student_dim: int) -> None:
        super().__init__(teacher_dims, student_dim)
        self.projection = nn.Linear(student_dim, sum(self.teacher_dims.values()))

    def compute(self, student: Tensor, teacher: Tensor, *, logits: Tensor | None, targets: Tensor | None) -> Tensor:
        """Compute the mean squared error of the prediction."""
        weight, bias = self.projection.weight.to(student.dtype), self.projection.bias.to(student.dtype)
        return (student @ weight.T + bias - teacher).square().mean()
