"""A linear probe: what a linear model reads from features, with its regularisation chosen by cross-validation."""

from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from aft.errors import UsageError

Task = Literal["classification", "multilabel", "regression"]

#: Penalties tried, per sample, on standardised features: strongest first, so that each fit starts near the next.
PENALTIES = (10.0, 1.0, 0.1, 0.01, 0.001)
FOLDS = 5


@dataclass(frozen=True)
class LinearProbe:
    """A fitted linear model on features.

    Attributes:
        weight: ``(C, D)``, for features as they come (the standardisation is folded in).
        bias: ``(C,)``.
        penalty: The penalty that cross-validation chose.
    """

    weight: Tensor
    bias: Tensor
    penalty: float

    def __call__(self, features: Tensor) -> Tensor:
        """Logits (or predicted values) ``(B, C)`` of features ``(B, D)``."""
        return features.to(self.weight.dtype) @ self.weight.T + self.bias


def sample_keys(features: Tensor) -> Tensor:
    """A 63-bit key of each sample's features, the same on every device and for every batch.

    It lets an objective recognise the samples that it was prepared with, without ids: integer sums do not depend on
    their order, and equal samples get equal keys, so that duplicates never sit in two folds.

    Args:
        features: ``(B, D)``.

    Returns:
        ``(B,)``, int64, not negative.
    """
    bits = features.detach().float().contiguous().view(torch.int32).long()
    positions = torch.arange(1, bits.shape[1] + 1, device=bits.device)
    mixed = (bits ^ (bits >> 15)) * (positions * 0x9E3779B1 + 0x7F4A7C15)
    mixed = (mixed ^ (mixed >> 29)) * 0x2545F4914F6CDD1D
    total = mixed.sum(dim=1)
    total = (total ^ (total >> 32)) * 0x2545F4914F6CDD1D
    return (total ^ (total >> 29)) & 0x7FFFFFFFFFFFFFFF


def fit_linear_probe(
    features: Tensor, targets: Tensor, task: Task, *, folds: Tensor | None = None, outputs: int | None = None
) -> LinearProbe:
    """Fit a linear probe, its L2 penalty chosen by 5-fold cross-validation.

    Args:
        features: ``(N, D)``, training samples alone.
        targets: Class indices ``(N,)`` for classification; 0/1 ``(N, C)`` for multilabel; values ``(N,)`` or ``(N, C)``
            for regression.
        task: Which of the three.
        folds: Fold of each sample ``(N,)`` in 0..4; by default from `sample_keys`.
        outputs: Number of classes, where these samples may not show them all.

    Returns:
        The probe fitted on all samples with the penalty of the lowest mean held-out loss.

    Raises:
        UsageError: Fewer than two samples.
    """
    if features.shape[0] < 2:
        raise UsageError(f"a probe needs at least 2 labelled samples; received {features.shape[0]}; label more samples")
    x = features.to(torch.float64 if features.shape[0] * features.shape[1] <= 20_000_000 else torch.float32)
    y = _as_matrix(targets, task).to(x.dtype if task != "classification" else torch.long)
    if outputs is None:
        outputs = int(y.max()) + 1 if task == "classification" else y.shape[1]
    folds = sample_keys(features) % FOLDS if folds is None else folds
    used = [fold for fold in range(FOLDS) if 0 < int((folds == fold).sum()) < len(folds)]
    held_out = torch.zeros(len(PENALTIES), dtype=x.dtype)
    for fold in used:
        inside = folds != fold
        for position, probe in enumerate(_path(x[inside], y[inside], task, outputs, PENALTIES)):
            held_out[position] += _loss(probe(x[~inside]), y[~inside], task) * int((~inside).sum())
    best = int(held_out.argmin()) if used else 0
    # The weaker penalties start from the stronger ones' solution, so the path is walked up to the chosen one.
    return _path(x, y, task, outputs, PENALTIES[: best + 1])[-1]


def fit_one(features: Tensor, targets: Tensor, task: Task, *, outputs: int, penalty: float) -> LinearProbe:
    """Fit a linear probe at one penalty.

    Args:
        features: ``(N, D)``.
        targets: As for `fit_linear_probe`.
        task: As for `fit_linear_probe`.
        outputs: C, which the samples at hand may not show in full.
        penalty: Per-sample L2 penalty on standardised features.

    Returns:
        The probe.
    """
    x = features.to(torch.float64 if features.shape[0] * features.shape[1] <= 20_000_000 else torch.float32)
    y = _as_matrix(targets, task).to(x.dtype if task != "classification" else torch.long)
    return _path(x, y, task, outputs, (penalty,))[-1]


def _as_matrix(targets: Tensor, task: Task) -> Tensor:
    return targets[:, None] if task == "regression" and targets.ndim == 1 else targets


def _loss(outputs: Tensor, targets: Tensor, task: Task) -> Tensor:
    if task == "classification":
        return F.cross_entropy(outputs, targets)
    if task == "multilabel":
        return F.binary_cross_entropy_with_logits(outputs, targets)
    return (outputs - targets).square().mean()


def _path(x: Tensor, y: Tensor, task: Task, outputs: int, penalties: tuple[float, ...]) -> list[LinearProbe]:
    mean, scale = x.mean(dim=0), x.std(dim=0, unbiased=False)
    scale = torch.where(scale > 1e-8 * (1 + mean.abs()), scale, torch.inf)  # a constant dimension says nothing
    standard = (x - mean) / scale
    fits = _ridge(standard, y, penalties) if task == "regression" else _logistic(standard, y, task, outputs, penalties)
    return [
        LinearProbe(weight / scale, bias - (weight / scale) @ mean, penalty)
        for (weight, bias), penalty in zip(fits, penalties, strict=True)
    ]


def _ridge(x: Tensor, y: Tensor, penalties: tuple[float, ...]) -> list[tuple[Tensor, Tensor]]:
    mean = y.mean(dim=0)
    left, singular, right = torch.linalg.svd(x, full_matrices=False)
    projected = left.T @ (y - mean)
    return [
        (((singular / (singular**2 + penalty * len(x)))[:, None] * projected).T @ right, mean) for penalty in penalties
    ]


def _logistic(
    x: Tensor, y: Tensor, task: Task, outputs: int, penalties: tuple[float, ...]
) -> list[tuple[Tensor, Tensor]]:
    weight = torch.zeros(outputs, x.shape[1], dtype=x.dtype, device=x.device, requires_grad=True)
    bias = torch.zeros(outputs, dtype=x.dtype, device=x.device, requires_grad=True)
    fits = []
    with torch.enable_grad():
        for penalty in penalties:
            optimiser = torch.optim.LBFGS(
                [weight, bias], max_iter=200, tolerance_grad=1e-6, tolerance_change=1e-9, line_search_fn="strong_wolfe"
            )

            def closure(optimiser: torch.optim.LBFGS = optimiser, penalty: float = penalty) -> Tensor:
                optimiser.zero_grad()
                loss = _loss(x @ weight.T + bias, y, task) + 0.5 * penalty * weight.square().sum()
                loss.backward()
                return loss

            optimiser.step(closure)
            fits.append((weight.detach().clone(), bias.detach().clone()))
    return fits
