"""LogME: how well a linear model on features explains labels, without fitting one by search."""

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from aft.errors import UsageError
from aft.probing._linear_probe import Task

ROUNDS = 11
#: Added to both denominators of the fixed point.
SMALL = 1e-5
#: Relative change of alpha/beta at which the fixed point is reached.
ENOUGH = 1e-3
#: Rows made float64 at a time, so that a large float16 table is never held whole in float64.
BLOCK = 8192


class LogME(NamedTuple):
    """What `fit_logme` gives.

    Attributes:
        evidence: The score: the maximal log evidence a sample, averaged over the classes that occur.
        means: ``(C, D)``, float64: the posterior mean of the linear model of each class (or column of targets).
    """

    evidence: float
    means: Tensor


def fit_logme(features: Tensor, targets: Tensor, task: Task, *, outputs: int | None = None) -> LogME:
    """Maximise the evidence of a Bayesian linear model on features, a column of targets at a time.

    The published iteration, in float64: alpha = beta = 1 at the start, 1e-5 in both denominators, at most 11 rounds, done when
    alpha/beta changes by less than a thousandth. The singular values come from the eigenvalues of the smaller of the two Gram
    matrices, and nothing is divided by them. The log-determinant runs over all D dimensions: those beyond the rank have
    ``log alpha`` each, which the published code leaves out.

    Args:
        features: ``(N, D)``, training samples alone, as they come: neither centred nor scaled.
        targets: Class indices ``(N,)`` for classification; 0/1 ``(N, C)`` for multilabel; values ``(N,)`` or ``(N, C)``
            for regression.
        task: Which of the three.
        outputs: Number of classes, where these samples may not show them all. A class without a sample has a mean of zeros and
            no say in the score.

    Returns:
        The score and the posterior means.

    Raises:
        UsageError: Shapes that do not fit, no sample, or features that are not finite.

    Source:
        You, Liu, Wang, Long: LogME, ICML 2021; You et al.: Ranking and Tuning Pre-trained Models, JMLR 2022.

    Example:
        >>> fit_logme(features, labels, "classification").evidence
        0.31
    """
    if features.ndim != 2 or not len(features) or len(targets) != len(features):
        raise UsageError(
            f"LogME takes features (N, D) and a target for each, N at least 1; received {tuple(features.shape)} and "
            f"{tuple(targets.shape)}; pass the labelled training samples"
        )
    with torch.no_grad():
        columns = _columns(targets, task, outputs).to(features.device)
        sigma, vectors = _spectrum(features)
        # With N < D the projections on left singular vectors; else those times the singular values, so that none is divided by.
        dual = len(features) < features.shape[1]
        projected = vectors.T @ (columns if dual else _correlation(features, columns))
        shrunk = torch.zeros_like(projected)
        scores = []
        for index in range(columns.shape[1]):
            if task == "regression" or bool(columns[:, index].any()):
                total = float(columns[:, index].square().sum())
                score, ratio = _maximise(sigma, projected[:, index], total, len(features), dual=dual)
                scores.append(score)
                shrunk[:, index] = projected[:, index] / (sigma + ratio)
        means = vectors @ shrunk
        means = _correlation(features, means) if dual else means
    return LogME(sum(scores) / len(scores) if scores else 0.0, means.T.contiguous())


def _columns(targets: Tensor, task: Task, outputs: int | None) -> Tensor:
    if task == "classification":
        return F.one_hot(targets.long(), -1 if outputs is None else outputs).double()
    return (targets[:, None] if targets.ndim == 1 else targets).double()


def _correlation(features: Tensor, columns: Tensor) -> Tensor:
    """``features^T columns`` in float64, ``(D, C)``."""
    total = columns.new_zeros(features.shape[1], columns.shape[1])
    for part, wanted in zip(features.split(BLOCK), columns.split(BLOCK), strict=True):
        total.addmm_(part.double().T, wanted)
    return total


def _spectrum(features: Tensor) -> tuple[Tensor, Tensor]:
    """Squared singular values, and the vectors of the smaller side as columns."""
    if len(features) < features.shape[1]:
        wide = features.double()
        gram = wide @ wide.T
    else:
        gram = torch.zeros(features.shape[1], features.shape[1], dtype=torch.float64, device=features.device)
        for part in features.split(BLOCK):
            wide = part.double()
            gram.addmm_(wide.T, wide)
    if not bool(torch.isfinite(gram).all()):
        raise UsageError("LogME takes finite features; received NaN or infinite ones; extract them again")
    values, vectors = torch.linalg.eigh(gram)
    return values.clamp(min=0), vectors


def _maximise(sigma: Tensor, projected: Tensor, total: float, n: int, *, dual: bool) -> tuple[float, float]:
    """The evidence a sample, and the alpha/beta that the posterior mean is taken at."""
    squares = projected.square()
    alpha = beta = ratio = 1.0
    misfit = squared = 0.0
    for _ in range(ROUNDS):
        ratio = alpha / beta
        shrunk = sigma + ratio
        if dual:
            squared = float((sigma * squares / shrunk**2).sum())
            misfit = float((ratio**2 * squares / shrunk**2).sum())
        else:
            squared = float((squares / shrunk**2).sum())
            misfit = max(total - float((squares * (sigma + 2 * ratio) / shrunk**2).sum()), 0.0)
        used = float((sigma / shrunk).sum())
        left = float((ratio / shrunk).sum()) + n - len(sigma)
        # The floor is for features that are all zero: alpha would be, too.
        alpha, beta = max(used / (squared + SMALL), 1e-30), max(left / (misfit + SMALL), 1e-30)
        if abs(alpha / beta - ratio) / ratio <= ENOUGH:
            break
    # D log(alpha) less log(alpha + beta sigma) over all D dimensions: those of no singular value cancel.
    volume = float(torch.log1p(sigma * (beta / alpha)).sum())
    evidence = n * math.log(beta) - volume - beta * misfit - alpha * squared - n * math.log(2 * math.pi)
    return evidence / (2 * n), ratio
