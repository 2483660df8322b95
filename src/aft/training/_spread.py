"""Which of very many samples a model is fitted to before training, so that this takes no more memory for a larger dataset."""

import numpy as np
from numpy.typing import NDArray

#: The most texts that a vocabulary or a linear model is fitted to.
MOST_TEXTS = 500_000
#: The most samples whose features probes and objectives are fitted to. Their features are in memory at once.
MOST_FEATURES = 100_000


def spread(positions: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """Select positions, evenly spread over all.

    Args:
        positions: Positions of samples, ``(n,)``.
        most: The largest number to select.

    Returns:
        All of them if they are not more than that.
    """
    if len(positions) <= most:
        return positions
    return positions[np.linspace(0, len(positions) - 1, most).astype(np.int64)]
