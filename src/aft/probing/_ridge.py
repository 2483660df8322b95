"""Ridge regressions on several subsets of the samples of one feature table."""

from collections.abc import Sequence

import torch
from torch import Tensor

#: Rows that are converted to float64 at a time.
BLOCK_ROWS = 8192

Fit = tuple[Tensor, Tensor]


def ridge_paths(features: Tensor, y: Tensor, members: Tensor, penalties: Sequence[float]) -> list[list[Fit]]:
    """Minimise ``mean (x w + b - y)^2 + penalty ||w||^2`` on subsets of the samples, in float64.

    Features are standardised over each subset separately. If there are more samples than dimensions, the
    covariance of a subset is computed as that of all samples minus that of the samples it leaves out. Each
    sample is then multiplied once or twice instead of once per subset. Otherwise each subset is solved in its
    dual form.

    Args:
        features: ``(N, D)``.
        y: ``(N, C)``, float64.
        members: ``(P, N)``, boolean: which samples each subset contains.
        penalties: The penalties to solve for.

    Returns:
        For each subset and each penalty, weight ``(C, D)`` and bias ``(C,)`` for raw features.
    """
    if len(features) <= features.shape[1]:
        return [_solve_dual(features[rows].double(), y[rows], penalties) for rows in members]
    centre = features.mean(dim=0, dtype=torch.float64)
    all_sums = _sums(features, y, centre)
    paths = []
    for rows in members:
        left_out = _sums(features[~rows], y[~rows], centre)
        sums = [one - two for one, two in zip(all_sums, left_out, strict=True)]
        paths.append(_solve_primal(sums, int(rows.sum()), centre, penalties))
    return paths


def _sums(features: Tensor, y: Tensor, centre: Tensor) -> list[Tensor]:
    """Sums over samples: second moments, first moments, products with the targets, and targets."""
    width = features.shape[1]
    second, products = centre.new_zeros(width, width), centre.new_zeros(width, y.shape[1])
    first = centre.new_zeros(width)
    for block, targets in zip(features.split(BLOCK_ROWS), y.split(BLOCK_ROWS), strict=True):
        x = block.double() - centre
        second.addmm_(x.T, x)
        products.addmm_(x.T, targets)
        first += x.sum(dim=0)
    return [second, first, products, y.sum(dim=0)]


def _inverse(scale: Tensor, size: Tensor) -> Tensor:
    """One over the scale, or zero for a constant dimension, which is thereby ignored."""
    return torch.where(scale > 1e-8 * (1 + size), 1 / scale, torch.zeros_like(scale))


def _solve_primal(sums: Sequence[Tensor], n: int, centre: Tensor, penalties: Sequence[float]) -> list[Fit]:
    second, first, products, total = (each / n for each in sums)
    covariance = second - torch.outer(first, first)
    mean = centre + first
    inverse = _inverse(covariance.diagonal().clamp(min=0).sqrt(), mean.abs())
    covariance *= inverse[:, None] * inverse
    right_side = (products - torch.outer(first, total)) * inverse[:, None]
    fits = []
    for penalty in penalties:
        system = covariance.clone()
        system.diagonal().add_(penalty)
        weight = (torch.cholesky_solve(right_side, torch.linalg.cholesky(system)) * inverse[:, None]).T
        fits.append((weight, total - weight @ mean))
    return fits


def _solve_dual(x: Tensor, y: Tensor, penalties: Sequence[float]) -> list[Fit]:
    mean, total = x.mean(dim=0), y.mean(dim=0)
    inverse = _inverse(x.std(dim=0, unbiased=False), mean.abs())
    standardised = (x - mean) * inverse
    gram = standardised @ standardised.T / len(x)
    fits = []
    for penalty in penalties:
        system = gram.clone()
        system.diagonal().add_(penalty)
        solved = torch.cholesky_solve((y - total) / len(x), torch.linalg.cholesky(system))
        weight = (standardised.T @ solved * inverse[:, None]).T
        fits.append((weight, total - weight @ mean))
    return fits
