"""Where each of many strings stands: a sorted array of hashes, an eighth of the size of a dict."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from aft.data._spill import spilled

#: Strings that are looked up at a time.
CHUNK = 1 << 14


class Positions:
    """The positions of strings in a sequence that holds each of them once.

    Args:
        strings: The strings. They are kept, to tell strings with equal hashes apart.

    Example:
        >>> Positions(["a", "b"]).find(["b", "c"])
        array([ 1, -1])
    """

    def __init__(self, strings: Sequence[str]) -> None:
        self._strings = strings
        hashes = _all_hashes(strings)
        smallest = np.uint32 if len(strings) < 1 << 32 else np.uint64
        self._order: NDArray[np.unsignedinteger] = spilled(np.argsort(hashes).astype(smallest))
        hashes.sort()
        self._hashes = spilled(hashes)

    def find(self, wanted: Iterable[str]) -> NDArray[np.int64]:
        """Look up strings.

        Args:
            wanted: Strings in any order.

        Returns:
            Their positions, ``(n,)``; -1 for those that are not in the sequence.
        """
        found = [self._find(chunk) for chunk in _chunks(wanted)]
        return np.concatenate(found) if found else np.empty(0, dtype=np.int64)

    def repeated(self) -> list[str]:
        """The strings that occur more than once, in the order of their first occurrence."""
        return _repeated(self._strings, self._hashes)

    def _find(self, wanted: list[str]) -> NDArray[np.int64]:
        hashes = _hashes(wanted)
        places = np.searchsorted(self._hashes, hashes, side="left")
        result = np.full(len(wanted), -1, dtype=np.int64)
        left = np.arange(len(wanted))
        # The hashes of two strings are practically never equal, so this loop runs once.
        while len(left := left[places[left] < len(self._hashes)]):
            left = left[self._hashes[places[left]] == hashes[left]]
            found = self._order[places[left]].astype(np.int64)
            same = np.array(
                [self._strings[p] == wanted[n] for p, n in zip(found.tolist(), left.tolist(), strict=True)], bool
            )
            result[left[same]] = found[same]
            left = left[~same]
            places += 1
        return result


def repeated(strings: Sequence[str]) -> list[str]:
    """The strings that occur more than once, in the order of their first occurrence, with less memory than all `Positions` take."""
    hashes = _all_hashes(strings)
    hashes.sort()
    return _repeated(strings, hashes)


def _repeated(strings: Sequence[str], hashes: NDArray[np.uint64]) -> list[str]:
    """The strings that occur more than once, from the sorted hashes of all."""
    again = hashes[1:][hashes[1:] == hashes[:-1]]
    if not len(again):
        return []
    counts = Counter(
        string
        for chunk in _chunks(strings)
        for string, twice in zip(chunk, np.isin(_hashes(chunk), again).tolist(), strict=True)
        if twice
    )
    return [string for string, count in counts.items() if count > 1]


def _all_hashes(strings: Sequence[str]) -> NDArray[np.uint64]:
    hashes, start = np.empty(len(strings), dtype=np.uint64), 0
    for chunk in _chunks(strings):
        hashes[start : start + len(chunk)] = _hashes(chunk)
        start += len(chunk)
    return hashes


def _hashes(strings: Iterable[str]) -> NDArray[np.uint64]:
    raw = b"".join(
        hashlib.blake2b(string.encode("utf-8", "surrogatepass"), digest_size=8).digest() for string in strings
    )
    return np.frombuffer(raw, dtype=np.uint64)


def _chunks(strings: Iterable[str]) -> Iterator[list[str]]:
    iterator = iter(strings)
    while chunk := list(islice(iterator, CHUNK)):
        yield chunk
