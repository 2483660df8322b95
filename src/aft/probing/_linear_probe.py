"""A linear probe: what a linear model reads from features, with its regularisation chosen by cross-validation."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from aft.errors import UsageError
from aft.probing._ridge import ridge_paths
from aft.probing._solver import LogisticProblems, Standardised, spectrum

Task = Literal["classification", "multilabel", "regression"]

#: Penalties tried, per sample, on standardised features: strongest first, so that each fit starts near the next.
PENALTIES = (10.0, 1.0, 0.1, 0.01, 0.001)
FOLDS = 5
#: Up to this many numbers in the features the last fit is float64's.
WIDE = 20_000_000
#: Distances of the mean loss from its minimum: to choose a penalty by, and of the fits that are returned in either precision.
ROUGH, FINE, FINE_SINGLE = 1e-6, 1e-12, 1e-8
#: Once the held-out loss is this many times the best so far, weaker penalties, the slowest to fit, are not tried.
WORSE = 1.1


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


class FoldedProbes(NamedTuple):
    """What `fit_folded_probes` gives.

    Attributes:
        final: The probe fitted on all samples.
        folds: For each of the 5 folds the probe fitted on the others, at the same penalty; ``final`` where there are none or all.
    """

    final: LinearProbe
    folds: list[LinearProbe]


def fit_linear_probe(
    features: Tensor, targets: Tensor, task: Task, *, folds: Tensor | None = None, outputs: int | None = None
) -> LinearProbe:
    """Fit a linear probe, its L2 penalty chosen by 5-fold cross-validation.

    Every fit standardises the features over its own samples. The folds and all samples together are solved at once, from the strongest
    penalty to the weakest, in float32 and to 1e-6 of the loss: enough to choose by; once the held-out loss is a tenth above the best,
    weaker penalties are not tried. The fit at the chosen penalty then goes on
    to 1e-12 in float64, or beyond 20 million numbers to 1e-8 in float32. Regression is solved in closed form in float64.

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
    return _fit(features, targets, task, folds, outputs, with_folds=False).final


def fit_folded_probes(
    features: Tensor, targets: Tensor, task: Task, *, folds: Tensor, outputs: int | None = None
) -> FoldedProbes:
    """Fit a linear probe as `fit_linear_probe` does, and keep those of the folds.

    Args:
        features: As for `fit_linear_probe`.
        targets: As for `fit_linear_probe`.
        task: As for `fit_linear_probe`.
        folds: Fold of each sample, ``(N,)``.
        outputs: As for `fit_linear_probe`.

    Returns:
        The probes.

    Raises:
        UsageError: Fewer than two samples.
    """
    return _fit(features, targets, task, folds, outputs, with_folds=True)


def _fit(
    features: Tensor, targets: Tensor, task: Task, folds: Tensor | None, outputs: int | None, *, with_folds: bool
) -> FoldedProbes:
    n = features.shape[0]
    if n < 2:
        raise UsageError(f"a probe needs at least 2 labelled samples; received {n}; label more samples")
    targets = targets.to(features.device)
    folds = (sample_keys(features) % FOLDS if folds is None else folds).to(features.device)
    used = [fold for fold in range(FOLDS) if 0 < int((folds == fold).sum()) < n]
    inside = torch.stack([*(folds != fold for fold in used), torch.ones_like(folds, dtype=torch.bool)])
    with torch.no_grad():
        if task == "regression":
            values = targets[:, None] if targets.ndim == 1 else targets
            penalty, fits = _ridge(features, values.double(), inside)
        else:
            if outputs is None:
                outputs = int(targets.max()) + 1 if task == "classification" else targets.shape[1]
            penalty, fits = _logistic(features, targets, task, outputs, inside, with_folds=with_folds)
    probes = [LinearProbe(weight, bias, penalty) for weight, bias in fits]
    final = probes[-1]
    by_fold = dict(zip(used, probes[:-1], strict=True)) if with_folds else {}
    return FoldedProbes(final, [by_fold.get(fold, final) for fold in range(FOLDS)])


def _logistic(
    features: Tensor,
    targets: Tensor,
    task: Literal["classification", "multilabel"],
    outputs: int,
    inside: Tensor,
    *,
    with_folds: bool,
) -> tuple[float, list[tuple[Tensor, Tensor]]]:
    """The chosen penalty, and the fits of the last problem or of all, each ``(C, D)`` and ``(C,)``."""
    y = targets.long() if task == "classification" else targets
    wide = features.numel() <= WIDE
    table = Standardised(features, inside, torch.float32)
    eigen = spectrum(table.x)
    problems = LogisticProblems(table, y, task, outputs, eigen)
    parameters, losses, path = problems.start(), [], []
    for penalty in PENALTIES:
        # The weaker penalties start from the stronger ones' solution.
        parameters = problems.solve(parameters, penalty, ROUGH)
        path.append(parameters)
        losses.append(float(problems.held_out(parameters).sum()))
        if losses[-1] > WORSE * min(losses):
            break
    best = losses.index(min(losses)) if len(inside) > 1 else 0
    wanted, start = (inside, path[best]) if with_folds else (inside[-1:], path[best][-1:])
    del problems, table, path
    table = Standardised(features, wanted, torch.float64 if wide else torch.float32)
    problems = LogisticProblems(table, y, task, outputs, eigen)
    solved = problems.solve(start.to(table.x.dtype), PENALTIES[best], FINE if wide else FINE_SINGLE)
    weight, bias = table.original(solved[..., :-1], solved[..., -1])
    return PENALTIES[best], list(zip(weight, bias, strict=True))


def _ridge(features: Tensor, y: Tensor, inside: Tensor) -> tuple[float, list[tuple[Tensor, Tensor]]]:
    """The chosen penalty, and the fit of each problem at it."""
    held_out = torch.zeros(len(PENALTIES), dtype=torch.float64)
    paths = ridge_paths(features, y, inside, PENALTIES)
    for rows, path in zip(inside[:-1], paths[:-1], strict=True):
        left_out = features[~rows].double()
        for place, (weight, bias) in enumerate(path):
            held_out[place] += float((left_out @ weight.T + bias - y[~rows]).square().mean(dim=1).sum())
    best = int(held_out.argmin()) if len(inside) > 1 else 0
    return PENALTIES[best], [path[best] for path in paths]
