"""Which of very many samples a model is fitted to before training, so that a larger dataset takes no more memory."""

import numpy as np
from numpy.typing import NDArray

#: The most samples that a vocabulary, a linear model, a probe or an objective is fitted to: their texts or features are in memory.
MOST_SAMPLES = 100_000


def spread(positions: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """Select positions, spread over all.

    Args:
        positions: Positions of samples, ``(n,)``.
        most: The largest number to select.

    Returns:
        All of them if they are not more than that; else always the same ones.
    """
    if len(positions) <= most:
        return positions
    # A random one of each stretch: every nth one could be of one class where the classes take turns.
    edges = np.linspace(0, len(positions), most + 1)
    within = np.random.default_rng(0).random(most)
    return positions[(edges[:-1] + within * np.diff(edges)).astype(np.int64)]
