"""Whether methods differ: a paired bootstrap over seeds and test samples."""

import functools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

#: Draws. The ends of a 95 % interval then move by less than a tenth of its width from one set of draws to another.
ROUNDS = 4000


class Interval(NamedTuple):
    """A number with its 95 % interval.

    Attributes:
        mean: The number.
        low: Lower end.
        high: Upper end.
    """

    mean: float
    low: float
    high: float


class Difference(NamedTuple):
    """A difference of errors.

    Attributes:
        mean: First method's minus second's.
        low: Lower end of the 95 % interval.
        high: Upper end.
    """

    mean: float
    low: float
    high: float

    @property
    def is_noise(self) -> bool:
        """Whether the interval holds zero."""
        return self.low <= 0 <= self.high


def draw(
    losses: NDArray[np.float64], *, root: bool = False, rounds: int = ROUNDS, seed: int = 0
) -> NDArray[np.float64]:
    """Errors of several methods under the same draws of seeds and test samples, with replacement.

    What is hard for all methods, or a lucky start of all, moves them together and so cancels in what is computed from
    them: a difference, a ratio.

    Args:
        losses: Loss of each method, seed and sample, ``(M, S, N)``: 0 or 1 for errors of classification, squared errors for
            regression. Seeds and samples stand in the same order for all methods.
        root: Whether the error is the root of the mean loss.
        rounds: Bootstrap rounds.
        seed: Of the draws.

    Returns:
        ``(M, rounds)``. With one seed the draws cover test samples alone.
    """
    methods, seeds, samples = losses.shape
    by_sample, by_seed = _counts(seeds, samples, rounds, seed)
    each = np.empty((methods, seeds, rounds))
    for place, method in enumerate(losses):
        each[place] = method @ by_sample
    if root:
        each = np.sqrt(each)
    means: NDArray[np.float64] = np.einsum("msr,sr->mr", each, by_seed)
    return means


@functools.lru_cache(maxsize=4)
def _counts(seeds: int, samples: int, rounds: int, seed: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Shares of each sample ``(N, rounds)`` and each seed ``(S, rounds)`` in each round: drawn once for all methods of a table."""
    generator = np.random.default_rng(seed)
    drawn = generator.multinomial(samples, np.full(samples, 1 / samples), size=rounds).T / samples
    chosen = generator.multinomial(seeds, np.full(seeds, 1 / seeds), size=rounds).T / seeds
    return np.ascontiguousarray(drawn), np.ascontiguousarray(chosen)


def error_of(losses: NDArray[np.float64], *, root: bool = False) -> float:
    """Mean over seeds of the error on the test samples.

    Args:
        losses: ``(S, N)``.
        root: Whether the error is the root of the mean loss.

    Returns:
        The error.
    """
    each = losses.mean(axis=1)
    return float(np.sqrt(each).mean() if root else each.mean())


def paired_difference(
    one: NDArray[np.float64], two: NDArray[np.float64], *, root: bool = False, rounds: int = ROUNDS
) -> Difference:
    """Compare two methods on the same test samples, trained with the same seeds.

    Args:
        one: Loss of each seed on each sample, ``(S, N)``; see `draw`.
        two: The other method's.
        root: Whether the error is the root of the mean loss.
        rounds: Bootstrap rounds.

    Returns:
        The difference of the errors with its 95 % percentile interval.
    """
    drawn = draw(np.stack([one, two]), root=root, rounds=rounds)
    low, high = np.quantile(drawn[0] - drawn[1], [0.025, 0.975])
    return Difference(error_of(one, root=root) - error_of(two, root=root), float(low), float(high))


def normalised_error(
    pairs: Sequence[tuple[NDArray[np.float64], NDArray[np.float64], bool]], *, rounds: int = ROUNDS
) -> Interval:
    """Error of a method over that of plain fine-tuning, averaged over tasks.

    The tasks are fixed: the interval says what other seeds and other test samples of these tasks would give.

    Args:
        pairs: For each task the method's losses ``(S, N)``, fine-tuning's, and whether the error is the root of their mean.
        rounds: Bootstrap rounds.

    Returns:
        The mean ratio with its 95 % percentile interval; below 1 is better than fine-tuning.
    """
    ratios, drawn = [], []
    for number, (one, two, root) in enumerate(pairs):
        # Draws in which fine-tuning makes no error at all count as half an error.
        least = 0.5 / two.size
        ratios.append(error_of(one, root=root) / max(error_of(two, root=root), least))
        both = draw(np.stack([one, two]), root=root, rounds=rounds, seed=number)
        drawn.append(both[0] / np.maximum(both[1], least))
    low, high = np.quantile(np.mean(drawn, axis=0), [0.025, 0.975])
    return Interval(float(np.mean(ratios)), float(low), float(high))
