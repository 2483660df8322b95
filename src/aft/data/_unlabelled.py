"""Which samples of further data a dataset does not have yet."""

import numpy as np
from numpy.typing import NDArray

from aft.data._strings import Digests


def is_new(known: Digests, others: Digests) -> NDArray[np.bool_]:
    """Say which inputs are not known, each only where it occurs first.

    Args:
        known: Digests of the inputs of a dataset.
        others: Those of others, n of them.

    Returns:
        A mask ``(n,)``.
    """
    numbers = joined(known, others).numbers()
    theirs = numbers[len(known) :]
    first = np.zeros(len(others), dtype=bool)
    first[np.unique(theirs, return_index=True)[1]] = True
    new: NDArray[np.bool_] = first & ~np.isin(theirs, numbers[: len(known)])
    return new


def joined(first: Digests, second: Digests) -> Digests:
    """The digests of two datasets, one after the other."""
    return Digests(np.concatenate([first.content, second.content]))
