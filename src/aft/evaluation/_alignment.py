"""How alike two sets of features are."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from aft.errors import UsageError


def cka(one: NDArray[Any], two: NDArray[Any]) -> float:
    """Centred kernel alignment of two features of the same samples, linear kernels, by the unbiased estimate of HSIC.

    It takes the smaller way: through N x N matrices, or through those of the features' widths, which memory for many samples
    needs. Both are float64 and give the same.

    Args:
        one: ``(N, d)``.
        two: ``(N, D)``, in the same order.

    Returns:
        1 for features that differ by rotation, scale and shift; about 0 for unrelated ones. NaN where one side is constant.

    Raises:
        UsageError: Fewer than four samples, or another number on either side.

    Source:
        Kornblith et al., ICML 2019; the unbiased estimate from Nguyen et al., ICLR 2021.

    Example:
        >>> cka(student_features, teacher_features)
        0.62
    """
    if one.ndim != 2 or two.ndim != 2 or len(one) != len(two) or len(one) < 4:
        raise UsageError(
            f"the alignment takes features (N, d) and (N, D) of the same samples, N at least 4; received {one.shape} and {two.shape}; "
            "read both by the same ids"
        )
    # A shift changes nothing in the estimate, and everything in its digits.
    x, y = (part.astype(np.float64) - part.mean(axis=0, dtype=np.float64) for part in (one, two))
    scale = _hsic(x, x) * _hsic(y, y)
    return float(_hsic(x, y) / np.sqrt(scale)) if scale > 0 else float("nan")


def _hsic(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    """The unbiased estimate, of kernels without their diagonals."""
    n = len(x)
    if n <= min(x.shape[1], y.shape[1]):
        k, other = x @ x.T, y @ y.T
        np.fill_diagonal(k, 0)
        np.fill_diagonal(other, 0)
        together, rows, columns = float((k * other).sum()), k.sum(axis=0), other.sum(axis=0)
    else:
        at_x, at_y = (x * x).sum(axis=1), (y * y).sum(axis=1)
        together = float(((x.T @ y) ** 2).sum() - at_x @ at_y)
        rows, columns = x @ x.sum(axis=0) - at_x, y @ y.sum(axis=0) - at_y
    total = together + rows.sum() * columns.sum() / ((n - 1) * (n - 2)) - 2 * float(rows @ columns) / (n - 2)
    return float(total / (n * (n - 3)))
