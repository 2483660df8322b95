"""Transforms of a teacher's features that are fitted on training samples: whitening and separability."""

from collections.abc import Callable

import torch
from torch import Tensor

from aft.data import TaskKind
from aft.errors import UsageError

#: Fits a transform to features ``(N, D)``, targets and the kind of task. The result is a scale per dimension
#: ``(D,)`` or a matrix ``(D, D)``; `apply_transform` applies it.
FitTransform = Callable[[Tensor, Tensor | None, TaskKind], Tensor]


def whitening(features: Tensor) -> Tensor:
    """Compute the inverse square root of the covariance, which equalises the variance of all directions.

    The covariance is shrunk towards a multiple of the identity with the oracle-approximating estimator,
    because there may be fewer samples than dimensions.

    Args:
        features: ``(N, D)``.

    Returns:
        ``(D, D)``, symmetric, in float32.

    Source:
        Chen, Wiesel, Eldar, Hero: Shrinkage Algorithms for MMSE Covariance Estimation, 2010.
    """
    x = features.double()
    n, p = x.shape
    x = x - x.mean(dim=0)
    covariance = x.T @ x / n
    trace, square = covariance.trace(), covariance.square().sum()
    excess = (n + 1 - 2 / p) * (square - trace**2 / p)
    rho = ((1 - 2 / p) * square + trace**2) / excess if excess > 0 else torch.ones(())
    rho = rho.clamp(max=1.0)
    values, vectors = torch.linalg.eigh(covariance)
    shrunk = (1 - rho) * values.clamp(min=0) + rho * trace / p
    tiny = torch.finfo(torch.float32).tiny
    root: Tensor = (vectors * shrunk.clamp(min=tiny).rsqrt()) @ vectors.T
    return root.float()


def separability(features: Tensor, targets: Tensor | None, task: TaskKind) -> Tensor:
    """Compute the share of each dimension's standard deviation that the targets explain, between 0 and 1.

    For classification this is the correlation ratio: the square root of the between-class variance over the
    total variance. For regression it is the absolute correlation. With several labels or target columns it is
    the root mean square over them.

    Args:
        features: ``(N, D)``.
        targets: Targets of the same samples.
        task: The kind of task.

    Returns:
        ``(D,)``, in float32.

    Raises:
        UsageError: There are no targets.
    """
    if targets is None:
        raise UsageError("separability is measured on labels; received none; call prepare(features, targets=labels)")
    x = features.double()
    x = x - x.mean(dim=0)
    total = x.square().sum(dim=0)
    if task == "classification":
        groups = torch.nn.functional.one_hot(targets.long()).double()
        counts = groups.sum(dim=0).clamp(min=1)
        between = ((groups.T @ x).square() / counts[:, None]).sum(dim=0)
    else:
        y = targets.double().reshape(len(x), -1)
        y = y - y.mean(dim=0)
        spread = y.square().sum(dim=0)
        explained = (y.T @ x).square()[spread > 0] / spread[spread > 0, None]
        between = explained.mean(dim=0) if len(explained) else torch.zeros_like(total)
    ratio = torch.where(total > 0, between / total.clamp(min=torch.finfo(torch.float64).tiny), 0.0)
    return ratio.clamp(0, 1).sqrt().float()


#: Transforms by name, as written after an ``@`` in a method.
TRANSFORMS: dict[str, FitTransform] = {
    "whiten": lambda features, *_: whitening(features),
    "separability": separability,
}


def apply_transform(features: Tensor, transform: Tensor) -> Tensor:
    """Apply a fitted transform.

    Args:
        features: ``(B, D)``.
        transform: A scale per dimension ``(D,)`` or a matrix ``(D, D)``.

    Returns:
        The transformed features, ``(B, D)``, with the dtype of ``features``.
    """
    transform = transform.to(features.dtype)
    return features @ transform if transform.ndim == 2 else features * transform
