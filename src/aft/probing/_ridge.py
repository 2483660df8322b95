"""Ridge regressions on parts of one table of features."""

from collections.abc import Sequence

import torch
from torch import Tensor

#: Rows made float64 at a time.
BLOCK = 8192

Fit = tuple[Tensor, Tensor]


def ridge_paths(features: Tensor, y: Tensor, inside: Tensor, penalties: Sequence[float]) -> list[list[Fit]]:
    """Solve ``mean (x w + b - y)^2 + penalty ||w||^2`` on parts of the samples, each standardised over its own part, in float64.

    Where samples are more than dimensions, the covariance of a part is that of all less that of what it leaves out, so that each
    sample is multiplied once or twice, not once a part; else each part is solved among its samples.

    Args:
        features: ``(N, D)``.
        y: ``(N, C)``, float64.
        inside: ``(P, N)``, which samples each part holds.
        penalties: Penalties.

    Returns:
        For each part, for each penalty, weight ``(C, D)`` and bias ``(C,)`` for features as they come.
    """
    if len(features) <= features.shape[1]:
        return [_among_samples(features[rows].double(), y[rows], penalties) for rows in inside]
    centre = features.mean(dim=0, dtype=torch.float64)
    everything = _sums(features, y, centre)
    paths = []
    for rows in inside:
        left_out = _sums(features[~rows], y[~rows], centre)
        parts = [one - two for one, two in zip(everything, left_out, strict=True)]
        paths.append(_among_dimensions(parts, int(rows.sum()), centre, penalties))
    return paths


def _sums(features: Tensor, y: Tensor, centre: Tensor) -> list[Tensor]:
    """Second moments, first moments, products with the targets, targets."""
    width = features.shape[1]
    second, products = centre.new_zeros(width, width), centre.new_zeros(width, y.shape[1])
    first = centre.new_zeros(width)
    for part, wanted in zip(features.split(BLOCK), y.split(BLOCK), strict=True):
        x = part.double() - centre
        second.addmm_(x.T, x)
        products.addmm_(x.T, wanted)
        first += x.sum(dim=0)
    return [second, first, products, y.sum(dim=0)]


def _inverse(scale: Tensor, size: Tensor) -> Tensor:
    """One over the scale; zero for a constant dimension, which says nothing."""
    return torch.where(scale > 1e-8 * (1 + size), 1 / scale, torch.zeros_like(scale))


def _among_dimensions(sums: Sequence[Tensor], n: int, centre: Tensor, penalties: Sequence[float]) -> list[Fit]:
    second, first, products, total = (part / n for part in sums)
    covariance = second - torch.outer(first, first)
    mean = centre + first
    inverse = _inverse(covariance.diagonal().clamp(min=0).sqrt(), mean.abs())
    covariance *= inverse[:, None] * inverse
    wanted = (products - torch.outer(first, total)) * inverse[:, None]
    fits = []
    for penalty in penalties:
        system = covariance.clone()
        system.diagonal().add_(penalty)
        weight = (torch.cholesky_solve(wanted, torch.linalg.cholesky(system)) * inverse[:, None]).T
        fits.append((weight, total - weight @ mean))
    return fits


def _among_samples(x: Tensor, y: Tensor, penalties: Sequence[float]) -> list[Fit]:
    mean, total = x.mean(dim=0), y.mean(dim=0)
    inverse = _inverse(x.std(dim=0, unbiased=False), mean.abs())
    standard = (x - mean) * inverse
    gram = standard @ standard.T / len(x)
    fits = []
    for penalty in penalties:
        system = gram.clone()
        system.diagonal().add_(penalty)
        solved = torch.cholesky_solve((y - total) / len(x), torch.linalg.cholesky(system))
        weight = (standard.T @ solved * inverse[:, None]).T
        fits.append((weight, total - weight @ mean))
    return fits
