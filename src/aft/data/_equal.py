"""Which values of a column are equal."""

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

from aft.data._column import CHUNK
from aft.data._repeated import Repeated
from aft.data._strings import Digests


def contained(values: Sequence[Hashable], others: Sequence[Hashable]) -> NDArray[np.bool_]:
    """Which values are among some others, ``(n,)``."""
    if isinstance(values, Digests) and isinstance(others, Digests):
        return _contained_digests(values, others)
    known = set(others)
    return np.fromiter((value in known for value in values), bool, len(values))


def _contained_digests(values: Digests, others: Digests) -> NDArray[np.bool_]:
    found = np.zeros(len(values), dtype=bool)
    halves = np.sort(others.halves[:, 0])
    if not len(halves):
        return found
    # The first halves are compared in sorted order, and what is left, which is little, as a whole.
    for start in range(0, len(values), CHUNK):
        wanted = values.halves[start : start + CHUNK, 0]
        places = np.minimum(np.searchsorted(halves, wanted), len(halves) - 1)
        found[start : start + CHUNK] = halves[places] == wanted
    perhaps = np.flatnonzero(found)
    if len(perhaps):
        known = set(others.take(np.flatnonzero(np.isin(others.halves[:, 0], values.halves[perhaps, 0]))))
        found[perhaps] = [value in known for value in values.take(perhaps)]
    return found


def is_new(digests: Digests, known: Digests) -> NDArray[np.bool_]:
    """Which inputs are not among the known ones, each only where it occurs first, ``(n,)``."""
    first = np.zeros(len(digests), dtype=bool)
    first[np.unique(digests.numbers(), return_index=True)[1]] = True
    return first & ~contained(digests, known)


def numbered(values: Sequence[Hashable]) -> NDArray[np.int64]:
    """A number for each value, ``(n,)``: the same for equal ones, and otherwise another."""
    if isinstance(values, Digests):
        return values.numbers()
    if isinstance(values, Repeated):  # of which 1 and 1.0 are equal
        number: NDArray[np.int64] = numbered(list(values.distinct))[values.numbers]
        return number
    known: dict[Hashable, int] = {}
    return np.fromiter((known.setdefault(value, len(known)) for value in values), np.int64, len(values))
