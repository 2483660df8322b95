"""LogME: how well a linear model on features explains labels, without a search for a penalty."""

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from aft.data import TaskKind
from aft.errors import UsageError

MAX_ROUNDS = 11
#: Added to both denominators of the fixed-point iteration.
EPSILON = 1e-5
#: Relative change of alpha/beta at which the iteration has converged.
TOLERANCE = 1e-3
#: Rows that are converted to float64 at a time, so that a large float16 table is never copied to float64.
BLOCK_ROWS = 8192


class LogME(NamedTuple):
    """The result of `fit_logme`.

    Attributes:
        evidence: The score: the maximal log evidence per sample, averaged over the classes that occur.
        means: ``(C, D)``, float64: the posterior mean of the linear model of each class or target column.
    """

    evidence: float
    means: Tensor


def fit_logme(features: Tensor, targets: Tensor, task: TaskKind, *, outputs: int | None = None) -> LogME:
    """Maximise the evidence of a Bayesian linear model on features, for each class or target column.

    This is the published fixed-point iteration, in float64: alpha = beta = 1 at the start, 1e-5 in both
    denominators, and at most 11 rounds, until alpha/beta changes by less than 0.1 %. The singular values come
    from the eigenvalues of the smaller of the two Gram matrices, and nothing is divided by them. The
    log-determinant covers all D dimensions: each dimension beyond the rank contributes ``log alpha``, which
    the published code omits.

    Args:
        features: ``(N, D)``, raw features of training samples only, neither centred nor scaled.
        targets: Class indices ``(N,)`` for classification, 0/1 ``(N, C)`` for multilabel, or values ``(N,)``
            or ``(N, C)`` for regression.
        task: The kind of task.
        outputs: Number of classes; needed if these samples may not contain every class. A class without
            samples has a mean of zeros and does not contribute to the score.

    Returns:
        The score and the posterior means.

    Raises:
        UsageError: A shape does not fit, there are no samples, or a feature is not finite.

    Source:
        You, Liu, Wang, Long: LogME, ICML 2021; You et al.: Ranking and Tuning Pre-trained Models, JMLR 2022.

    Example:
        >>> fit_logme(features, labels, "classification").evidence
        0.31
    """
    if features.ndim != 2 or not len(features) or len(targets) != len(features):
        raise UsageError(
            "LogME needs features (N, D) and a target for each of at least one sample; "
            f"received {tuple(features.shape)} and {tuple(targets.shape)}; pass the labelled training samples"
        )
    with torch.no_grad():
        columns = _columns(targets, task, outputs).to(features.device)
        sigma, vectors = _spectrum(features)
        # If N < D these are the projections on the left singular vectors. Otherwise they are those
        # projections times the singular values, which avoids a division by small singular values.
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


def _columns(targets: Tensor, task: TaskKind, outputs: int | None) -> Tensor:
    """Targets as float64 columns, ``(N, C)``."""
    if task == "classification":
        return F.one_hot(targets.long(), -1 if outputs is None else outputs).double()
    return (targets[:, None] if targets.ndim == 1 else targets).double()


def _correlation(features: Tensor, columns: Tensor) -> Tensor:
    """``features^T columns`` in float64, ``(D, C)``."""
    total = columns.new_zeros(features.shape[1], columns.shape[1])
    for rows, targets in zip(features.split(BLOCK_ROWS), columns.split(BLOCK_ROWS), strict=True):
        total.addmm_(rows.double().T, targets)
    return total


def _spectrum(features: Tensor) -> tuple[Tensor, Tensor]:
    """Squared singular values, and the singular vectors of the smaller side as columns."""
    if len(features) < features.shape[1]:
        wide = features.double()
        gram = wide @ wide.T
    else:
        gram = torch.zeros(features.shape[1], features.shape[1], dtype=torch.float64, device=features.device)
        for rows in features.split(BLOCK_ROWS):
            wide = rows.double()
            gram.addmm_(wide.T, wide)
    if not bool(torch.isfinite(gram).all()):
        raise UsageError("LogME needs finite features; received NaN or infinity; extract the features again")
    values, vectors = torch.linalg.eigh(gram)
    return values.clamp(min=0), vectors


def _maximise(sigma: Tensor, projected: Tensor, total: float, n: int, *, dual: bool) -> tuple[float, float]:
    """Return the maximal evidence per sample, and the alpha/beta that determines the posterior mean."""
    squares = projected.square()
    alpha = beta = ratio = 1.0
    misfit = squared = 0.0
    for _ in range(MAX_ROUNDS):
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
        # Features that are all zero would make alpha zero; the lower limit prevents a division by it.
        alpha, beta = max(used / (squared + EPSILON), 1e-30), max(left / (misfit + EPSILON), 1e-30)
        if abs(alpha / beta - ratio) / ratio <= TOLERANCE:
            break
    # D log(alpha) - sum log(alpha + beta sigma) over all D dimensions; those beyond the rank cancel.
    volume = float(torch.log1p(sigma * (beta / alpha)).sum())
    evidence = n * math.log(beta) - volume - beta * misfit - alpha * squared - n * math.log(2 * math.pi)
    return evidence / (2 * n), ratio
