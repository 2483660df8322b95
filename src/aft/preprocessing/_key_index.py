"""Finds hashes in a sorted array, several times as fast as a binary search, whose every step waits for memory."""

import numpy as np
from numpy.typing import NDArray

from aft.preprocessing._hashing import Keys


class KeyIndex:
    """The place where the keys of each range begin. Ranges are equal, and keys are hashes, so that most hold one key or none.

    Args:
        keys: The keys, ascending, ``(V,)``.
    """

    def __init__(self, keys: Keys) -> None:
        self._keys = keys
        bits = max(1, len(keys).bit_length())
        self._shift = np.uint32(32 - bits)
        held = np.bincount(keys >> self._shift, minlength=1 << bits)
        self._starts = (np.cumsum(held) - held).astype(np.int32)

    def places(self, wanted: Keys) -> NDArray[np.int64]:
        """Where keys are, if they are anywhere.

        Args:
            wanted: Keys in any order, ``(n,)``.

        Returns:
            The place of the first key that is not smaller, or the last place, ``(n,)``.
        """
        last = len(self._keys) - 1
        places: NDArray[np.int64] = self._starts[wanted >> self._shift].clip(max=last).astype(np.int64)
        smaller = np.flatnonzero((self._keys[places] < wanted) & (places < last))
        while len(smaller):
            places[smaller] += 1
            ahead = places[smaller]
            smaller = smaller[(self._keys[ahead] < wanted[smaller]) & (ahead < last)]
        return places
