"""Paired bootstrap over seeds and test samples: whether two methods differ."""

import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

#: A gap of less than this share of the error is one that hardly exists: shares of it would be noise.
SMALLEST_GAP = 0.02
#: Bootstrap rounds. The ends of a 95 % interval then vary by less than a tenth of its width between seeds.
ROUNDS = 4000


class Interval(NamedTuple):
    """An estimate with its 95 % confidence interval.

    Attributes:
        mean: The estimate.
        low: Lower end of the interval.
        high: Upper end of the interval.
    """

    mean: float
    low: float
    high: float


class Difference(NamedTuple):
    """A difference of two errors with its 95 % confidence interval.

    Attributes:
        mean: Error of the first method minus that of the second.
        low: Lower end of the interval.
        high: Upper end of the interval.
    """

    mean: float
    low: float
    high: float

    @property
    def is_noise(self) -> bool:
        """Whether the interval contains zero."""
        return self.low <= 0 <= self.high


def draw(
    losses: NDArray[np.float64], *, root: bool = False, rounds: int = ROUNDS, seed: int = 0
) -> NDArray[np.float64]:
    """Compute the errors of several methods on the same bootstrap resamples of seeds and test samples.

    Sampling is paired: a hard test sample or a lucky seed affects all methods alike, so its effect cancels in
    a difference or a ratio of two rows of the result.

    Args:
        losses: Loss of each method, seed and sample, ``(M, S, N)``: 0 or 1 for classification errors, squared
            errors for regression. Seeds and samples are in the same order for all methods.
        root: Whether the error is the square root of the mean loss.
        rounds: Bootstrap rounds.
        seed: Random seed of the resamples.

    Returns:
        ``(M, rounds)``. With a single seed, only test samples are resampled.
    """
    methods, seeds, samples = losses.shape
    by_sample, by_seed = _shares(seeds, samples, rounds, seed)
    each = np.empty((methods, seeds, rounds))
    for place, method in enumerate(losses):
        each[place] = method @ by_sample
    if root:
        each = np.sqrt(each)
    means: NDArray[np.float64] = np.einsum("msr,sr->mr", each, by_seed)
    return means


@functools.lru_cache(maxsize=4)
def _shares(seeds: int, samples: int, rounds: int, seed: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Share of each sample ``(N, rounds)`` and of each seed ``(S, rounds)`` in each resample.

    The result is cached, because all comparisons of a table use the same resamples.
    """
    generator = np.random.default_rng(seed)
    of_samples = generator.multinomial(samples, np.full(samples, 1 / samples), size=rounds).T / samples
    of_seeds = generator.multinomial(seeds, np.full(seeds, 1 / seeds), size=rounds).T / seeds
    return np.ascontiguousarray(of_samples), np.ascontiguousarray(of_seeds)


def error_of(losses: NDArray[np.float64], *, root: bool = False) -> float:
    """Average the error on the test samples over seeds.

    Args:
        losses: Loss of each seed and sample, ``(S, N)``.
        root: Whether the error is the square root of the mean loss.

    Returns:
        The error.
    """
    each = losses.mean(axis=1)
    return float(np.sqrt(each).mean() if root else each.mean())


def gap_closed(error: float, without: float, probe: float | None) -> float | None:
    """How much of what separates an error without a teacher from that of the teachers' probe a method makes up for.

    Args:
        error: The method's error.
        without: The error without a teacher.
        probe: The error of the probe, or None.

    Returns:
        The share; None without a probe, or where it is hardly better than what needs no teacher.
    """
    if probe is None or without - probe <= SMALLEST_GAP * without:
        return None
    return (without - error) / (without - probe)


def balanced_error_of(losses: NDArray[np.float64], labels: NDArray[Any]) -> float:
    """Average the error over classes, and then over seeds: 1 minus the balanced accuracy.

    Args:
        losses: 0 or 1 for each seed and sample, ``(S, N)``.
        labels: Class indices ``(N,)``.

    Returns:
        The error, in which every class that occurs has the same weight.
    """
    return float(np.mean([losses[:, labels == label].mean() for label in np.unique(labels)]))


def paired_difference(
    one: NDArray[np.float64], two: NDArray[np.float64], *, root: bool = False, rounds: int = ROUNDS
) -> Difference:
    """Compare two methods that were trained with the same seeds, on the same test samples.

    Args:
        one: Losses of the first method, ``(S, N)``; see `draw`.
        two: Losses of the second method, ``(S, N)``.
        root: Whether the error is the square root of the mean loss.
        rounds: Bootstrap rounds.

    Returns:
        The difference of the errors with its 95 % percentile interval.

    Example:
        >>> paired_difference(aft_losses, finetune_losses).is_noise
        False
    """
    drawn = draw(np.stack([one, two]), root=root, rounds=rounds)
    low, high = np.quantile(drawn[0] - drawn[1], [0.025, 0.975])
    return Difference(error_of(one, root=root) - error_of(two, root=root), float(low), float(high))


def normalised_error(
    pairs: Sequence[tuple[NDArray[np.float64], NDArray[np.float64], bool]], *, rounds: int = ROUNDS
) -> Interval:
    """Divide the error of a method by that of plain fine-tuning, and average the ratio over tasks.

    The tasks are fixed: the interval covers variation over seeds and test samples of these tasks, not over
    tasks.

    Args:
        pairs: For each task, the losses of the method ``(S, N)``, those of fine-tuning, and whether the error
            is the square root of their mean.
        rounds: Bootstrap rounds.

    Returns:
        The mean ratio with its 95 % percentile interval. Below 1 the method is better than fine-tuning.
    """
    ratios, drawn = [], []
    for number, (one, two, root) in enumerate(pairs):
        # A fine-tuning error of zero counts as half an error, so that the ratio stays finite.
        least = 0.5 / two.size
        ratios.append(error_of(one, root=root) / max(error_of(two, root=root), least))
        both = draw(np.stack([one, two]), root=root, rounds=rounds, seed=number)
        drawn.append(both[0] / np.maximum(both[1], least))
    low, high = np.quantile(np.mean(drawn, axis=0), [0.025, 0.975])
    return Interval(float(np.mean(ratios)), float(low), float(high))
