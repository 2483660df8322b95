"""A linear probe on features, with its L2 penalty chosen by cross-validation."""

from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from aft.data import TaskKind
from aft.errors import UsageError
from aft.probing._logistic import LogisticProblems, Standardised, spectrum
from aft.probing._ridge import ridge_paths
from aft.probing._sample_keys import sample_keys

#: Penalties to try, for the mean loss on standardised features: half powers of ten from 10 to 0.001. The strongest comes first, so that
#: each fit starts near the solution of the next.
PENALTIES = tuple(10.0 ** (power / 2) for power in range(2, -7, -1))
#: Further ones, which are tried as long as the weakest penalty so far is the best, as with few samples of many classes.
WEAKER = tuple(10.0 ** (power / 2) for power in range(-7, -11, -1))
FOLDS = 5
#: Number of feature values up to which the final fit runs in float64.
FLOAT64_LIMIT = 20_000_000
#: Distance of the mean loss from its minimum at which a fit stops: while penalties are compared, and for the
#: final fit in float64 and in float32.
SEARCH_TOLERANCE, FLOAT64_TOLERANCE, FLOAT32_TOLERANCE = 1e-6, 1e-12, 1e-8
#: Once the held-out loss exceeds the best one by this factor, weaker penalties are skipped: they fit slowest.
STOP_RATIO = 1.1


@dataclass(frozen=True)
class LinearProbe:
    """A fitted linear model on features.

    Attributes:
        weight: ``(C, D)``, for raw features: the standardisation is folded in.
        bias: ``(C,)``.
        penalty: The penalty chosen by cross-validation.
    """

    weight: Tensor
    bias: Tensor
    penalty: float

    def __call__(self, features: Tensor) -> Tensor:
        """Compute logits (or predicted values) ``(B, C)`` from features ``(B, D)``."""
        return features.to(self.weight.dtype) @ self.weight.T + self.bias


class FoldedProbes(NamedTuple):
    """The result of `fit_folded_probes`.

    Attributes:
        final: The probe fitted on all samples.
        folds: For each of the 5 folds, the probe fitted on the other folds with the same penalty. For a fold
            that holds no samples or all of them, it is ``final``.
    """

    final: LinearProbe
    folds: list[LinearProbe]


def fit_linear_probe(
    features: Tensor, targets: Tensor, task: TaskKind, *, folds: Tensor | None = None, outputs: int | None = None
) -> LinearProbe:
    """Fit a linear probe, with its L2 penalty chosen by 5-fold cross-validation.

    Each fit standardises the features over its own samples. The logistic problems of all folds and of all
    samples are solved together, from the strongest penalty to the weakest, in float32 and to within 1e-6 of
    the minimal loss, which is precise enough to choose a penalty. Once the held-out loss is 10 % above the
    best one, weaker penalties are skipped; where the weakest is the best, still weaker ones are tried. The
    fit with the chosen penalty is then refined to 1e-12 in float64 or, for more than 20 million feature
    values, to 1e-8 in float32. Regression is solved in closed form in float64.

    Args:
        features: ``(N, D)``, of training samples only.
        targets: Class indices ``(N,)`` for classification, 0/1 ``(N, C)`` for multilabel, or values ``(N,)``
            or ``(N, C)`` for regression.
        task: The kind of task.
        folds: Fold of each sample in 0..4, ``(N,)``; derived from `sample_keys` by default.
        outputs: Number of classes; needed if these samples may not contain every class.

    Returns:
        The probe fitted on all samples, with the penalty that has the lowest mean held-out loss.

    Raises:
        UsageError: There are fewer than two samples.

    Example:
        >>> probe = fit_linear_probe(features, labels, "classification")
        >>> predicted = probe(other_features).argmax(dim=1)
    """
    return _fit(features, targets, task, folds, outputs, with_folds=False).final


def fit_folded_probes(
    features: Tensor, targets: Tensor, task: TaskKind, *, folds: Tensor, outputs: int | None = None
) -> FoldedProbes:
    """Fit a linear probe as `fit_linear_probe` does, and also return the probes of the folds.

    Args:
        features: As for `fit_linear_probe`.
        targets: As for `fit_linear_probe`.
        task: As for `fit_linear_probe`.
        folds: Fold of each sample in 0..4, ``(N,)``.
        outputs: As for `fit_linear_probe`.

    Returns:
        The probe fitted on all samples, and one probe per fold.

    Raises:
        UsageError: There are fewer than two samples.
    """
    return _fit(features, targets, task, folds, outputs, with_folds=True)


def _fit(
    features: Tensor, targets: Tensor, task: TaskKind, folds: Tensor | None, outputs: int | None, *, with_folds: bool
) -> FoldedProbes:
    n = features.shape[0]
    if n < 2:
        raise UsageError(f"a probe needs at least 2 labelled samples; received {n}; label more samples")
    targets = targets.to(features.device)
    folds = (sample_keys(features) % FOLDS if folds is None else folds).to(features.device)
    used = [fold for fold in range(FOLDS) if 0 < int((folds == fold).sum()) < n]
    # One row per problem: the samples outside each fold and, last, all samples.
    members = torch.stack([*(folds != fold for fold in used), torch.ones_like(folds, dtype=torch.bool)])
    with torch.no_grad():
        if task == "regression":
            values = targets[:, None] if targets.ndim == 1 else targets
            penalty, fits = _ridge(features, values.double(), members)
        else:
            if outputs is None:
                outputs = int(targets.max()) + 1 if task == "classification" else targets.shape[1]
            penalty, fits = _logistic(features, targets, task, outputs, members, with_folds=with_folds)
    probes = [LinearProbe(weight, bias, penalty) for weight, bias in fits]
    final = probes[-1]
    by_fold = dict(zip(used, probes[:-1], strict=True)) if with_folds else {}
    return FoldedProbes(final, [by_fold.get(fold, final) for fold in range(FOLDS)])


def _logistic(
    features: Tensor,
    targets: Tensor,
    task: Literal["classification", "multilabel"],
    outputs: int,
    members: Tensor,
    *,
    with_folds: bool,
) -> tuple[float, list[tuple[Tensor, Tensor]]]:
    """Return the chosen penalty, and weight and bias of all problems or of the last one."""
    y = targets.long() if task == "classification" else targets
    in_float64 = features.numel() <= FLOAT64_LIMIT
    table = Standardised(features, members, torch.float32)
    eigen = spectrum(table.x)
    problems = LogisticProblems(table, y, task, outputs, eigen)
    parameters, path = problems.start(), []
    losses: list[float] = []
    for penalty in (*PENALTIES, *WEAKER):
        if _is_bracketed(losses):
            break
        parameters = problems.solve(parameters, penalty, SEARCH_TOLERANCE)
        path.append(parameters)
        losses.append(float(problems.held_out(parameters).sum()))
        if losses[-1] > STOP_RATIO * min(losses):
            break
    best = losses.index(min(losses)) if len(members) > 1 else 0
    chosen = (*PENALTIES, *WEAKER)[best]
    refined, start = (members, path[best]) if with_folds else (members[-1:], path[best][-1:])
    del problems, table, path
    table = Standardised(features, refined, torch.float64 if in_float64 else torch.float32)
    problems = LogisticProblems(table, y, task, outputs, eigen)
    tolerance = FLOAT64_TOLERANCE if in_float64 else FLOAT32_TOLERANCE
    solved = problems.solve(start.to(table.x.dtype), chosen, tolerance)
    weight, bias = table.original(solved[..., :-1], solved[..., -1])
    return chosen, list(zip(weight, bias, strict=True))


def _ridge(features: Tensor, y: Tensor, members: Tensor) -> tuple[float, list[tuple[Tensor, Tensor]]]:
    """Return the chosen penalty, and the fit of each problem with it."""
    penalties = (*PENALTIES, *WEAKER)
    held_out = torch.zeros(len(penalties), dtype=torch.float64)
    paths = ridge_paths(features, y, members, penalties)
    for rows, path in zip(members[:-1], paths[:-1], strict=True):
        left_out = features[~rows].double()
        for place, (weight, bias) in enumerate(path):
            held_out[place] += float((left_out @ weight.T + bias - y[~rows]).square().mean(dim=1).sum())
    losses = held_out.tolist()
    tried = next((count for count in range(len(losses)) if _is_bracketed(losses[:count])), len(losses))
    best = losses.index(min(losses[:tried])) if len(members) > 1 else 0
    return penalties[best], [path[best] for path in paths]


def _is_bracketed(losses: list[float]) -> bool:
    """Whether all of `PENALTIES` have been tried, and the best is not at the weak end."""
    return len(losses) >= len(PENALTIES) and losses[-1] > min(losses)
