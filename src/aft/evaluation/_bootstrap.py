"""Whether two methods differ: a paired bootstrap over seeds and test samples."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Difference(NamedTuple):
    """A difference of mean errors.

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


def paired_difference(one: NDArray[np.float64], two: NDArray[np.float64], *, rounds: int = 4000) -> Difference:
    """Compare the losses of two methods on the same test samples, trained with the same seeds.

    Each round draws seeds and test samples with replacement, the same for both methods: what is hard for both, or a lucky start of
    both, cancels.

    Args:
        one: Loss of each seed on each sample, ``(S, N)``; 0 or 1 for errors of classification.
        two: The other method's, ``(S, N)``, seeds and samples in the same order.
        rounds: Bootstrap rounds.

    Returns:
        The difference with its 95 % percentile interval. With one seed the interval covers test samples alone.
    """
    difference = one - two
    seeds, samples = difference.shape
    generator = np.random.default_rng(0)
    means = np.empty(rounds)
    for start in range(rounds):
        rows = generator.integers(0, seeds, seeds)
        columns = generator.integers(0, samples, samples)
        means[start] = difference[rows].mean(axis=0)[columns].mean()
    low, high = np.quantile(means, [0.025, 0.975])
    return Difference(float(difference.mean()), float(low), float(high))
