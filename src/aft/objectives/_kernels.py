"""Kernels over a batch, and the distance between two of them."""

import torch
from torch import Tensor

#: Added to norms, and to the mean under the root, as the paper's code does.
EPSILON = 1e-8


def centre(features: Tensor) -> Tensor:
    """Subtract the mean of the batch from each dimension.

    The first row is taken off beforehand: that changes nothing in exact arithmetic, makes a constant batch exactly
    zero where the rounding of a mean would leave noise for `unit_rows` to blow up, and saves digits where the mean is large.

    Args:
        features: ``(B, D)``.

    Returns:
        ``(B, D)``.
    """
    shifted = features - features[:1].detach()
    return shifted - shifted.mean(dim=0, keepdim=True)


def unit_rows(features: Tensor) -> Tensor:
    """Divide each row by its L2 norm plus 1e-8; a zero row stays zero, with a finite gradient.

    Args:
        features: ``(B, D)``.

    Returns:
        ``(B, D)``.
    """
    norms: Tensor = torch.linalg.vector_norm(features, dim=1, keepdim=True)
    return features / (norms + EPSILON)


def rbf(rows: Tensor) -> Tensor:
    """``exp(-||z_i - z_j||^2)`` for all pairs of rows.

    Args:
        rows: ``(B, D)``.

    Returns:
        ``(B, B)``, ones on the diagonal.
    """
    gram = rows @ rows.T
    squares = gram.diagonal()
    return torch.exp(-(squares[:, None] + squares[None, :] - 2 * gram).clamp(min=0))


def distance_between_samples(student: Tensor, teacher: Tensor) -> Tensor:
    """``mean_ij (ZZ^T - TT^T)^2`` through two B x B matrices.

    Args:
        student: Rows Z, ``(B, d)``.
        teacher: Rows T, ``(B, D)``.

    Returns:
        A scalar.
    """
    return (student @ student.T - teacher @ teacher.T).square().mean()


def distance_between_features(student: Tensor, teacher: Tensor) -> Tensor:
    """The same number through d x d, D x d and D x D matrices: cheaper where B is larger than D.

    It is a difference of nearly equal sums, so it is accumulated in float64, and clamped where rounding makes it negative.

    Args:
        student: Rows Z, ``(B, d)``.
        teacher: Rows T, ``(B, D)``.

    Returns:
        A scalar of the inputs' type.
    """
    z, t = student.double(), teacher.double()
    total = (z.T @ z).square().sum() - 2 * (t.T @ z).square().sum() + (t.T @ t).square().sum()
    return (total.clamp(min=0) / z.shape[0] ** 2).to(student.dtype)


def cheaper_form(batch: int, student_dim: int, teacher_dim: int, dtype: torch.dtype, device: torch.device) -> str:
    """Choose between the two forms by counting multiplications.

    Args:
        batch: B.
        student_dim: d.
        teacher_dim: D.
        dtype: Type of the inputs.
        device: Where they are.

    Returns:
        ``"sample"`` or ``"feature"``.
    """
    if device.type == "mps":  # has no float64
        return "sample"
    sample = batch * batch * (student_dim + teacher_dim)
    feature = batch * (student_dim**2 + student_dim * teacher_dim + teacher_dim**2)
    # float64 multiplies at half the rate on a CPU or a data-centre GPU.
    return "feature" if feature * (1 if dtype == torch.float64 else 2) < sample else "sample"
