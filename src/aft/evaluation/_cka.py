"""Centred kernel alignment (CKA): how similar two sets of features are."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from aft.errors import UsageError


def cka(one: NDArray[Any], two: NDArray[Any]) -> float:
    """Compute the linear CKA of two sets of features, with the unbiased estimator of HSIC.

    The computation uses whichever matrices are smaller: N x N, or those of the features' widths, so that
    memory suffices for many samples. Both variants run in float64 and give the same result.

    Args:
        one: ``(N, d)``.
        two: ``(N, D)``, of the same samples in the same order.

    Returns:
        1 for features that differ only by a rotation, a scale and a shift; about 0 for unrelated features;
        NaN if either side is constant.

    Raises:
        UsageError: There are fewer than four samples, or the two sides differ in their number.

    Source:
        Kornblith et al.: Similarity of Neural Network Representations Revisited, ICML 2019; the unbiased
        estimator is from Nguyen et al., ICLR 2021.

    Example:
        >>> cka(student_features, teacher_features)
        0.62
    """
    if one.ndim != 2 or two.ndim != 2 or len(one) != len(two) or len(one) < 4:
        raise UsageError(
            "cka needs features (N, d) and (N, D) of the same samples, with N at least 4; "
            f"received {one.shape} and {two.shape}; read both with the same ids"
        )
    # The estimator is invariant to a shift, but large means would cost precision.
    x, y = (side.astype(np.float64) - side.mean(axis=0, dtype=np.float64) for side in (one, two))
    scale = _hsic(x, x) * _hsic(y, y)
    return float(_hsic(x, y) / np.sqrt(scale)) if scale > 0 else float("nan")


def _hsic(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    """Unbiased estimate of HSIC, from linear kernels with zero diagonals."""
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
