"""Which values of a column are equal."""

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

from aft.data._repeated import Repeated
from aft.data._strings import Digests


def contained(values: Sequence[Hashable], others: Sequence[Hashable]) -> NDArray[np.bool_]:
    """Which values are among some others, ``(n,)``."""
    if isinstance(values, Digests) and isinstance(others, Digests):
        numbers = Digests(np.concatenate([values.content, others.content])).numbers()
        return np.isin(numbers[: len(values)], numbers[len(values) :])
    known = set(others)
    return np.fromiter((value in known for value in values), bool, len(values))


def numbered(values: Sequence[Hashable]) -> NDArray[np.int64]:
    """A number for each value, ``(n,)``: the same for equal ones, and otherwise another."""
    if isinstance(values, Digests):
        return values.numbers()
    if isinstance(values, Repeated):  # of which 1 and 1.0 are equal
        number: NDArray[np.int64] = numbered(list(values.distinct))[values.numbers]
        return number
    known: dict[Hashable, int] = {}
    return np.fromiter((known.setdefault(value, len(known)) for value in values), np.int64, len(values))
