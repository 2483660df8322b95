"""Columns in which few values are different, as labels and splits are: one or two bytes for each, where a list takes eight."""

from array import array
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aft.data._column import Column, places

#: The most different values.
MOST = 1 << 16
#: A column is a list if half of its first values are different, so many of them.
FIRST = 2000
#: Types of values that are looked up; a column with others, except tuples of strings, is a list.
PLAIN = (str, int, float, bool, type(None))


class Repeated(Column[Any]):
    """Values of which few are different.

    Args:
        distinct: The values that occur. Some of them may be equal, as 1 and 1.0 are.
        numbers: Which of them stands at each position, ``(n,)``.
    """

    def __init__(self, distinct: Sequence[Any], numbers: NDArray[np.unsignedinteger]) -> None:
        self.distinct, self.numbers = distinct, numbers

    def take(self, positions: Sequence[int] | NDArray[np.int64]) -> "Repeated":
        numbers = self.numbers[places(positions, len(self))]
        occurs = np.bincount(numbers, minlength=len(self.distinct)) > 0
        if occurs.all():
            return Repeated(self.distinct, numbers)
        kept = [value for value, there in zip(self.distinct, occurs.tolist(), strict=True) if there]
        return Repeated(kept, (np.cumsum(occurs) - 1).astype(numbers.dtype)[numbers])

    def _one(self, position: int) -> Any:
        return self.distinct[self.numbers[position]]

    def _chunk(self, start: int, stop: int) -> list[Any]:
        return [self.distinct[number] for number in self.numbers[start:stop].tolist()]

    def __len__(self) -> int:
        return len(self.numbers)


class CompactBuilder:
    """Collects values one by one."""

    def __init__(self) -> None:
        self._known: dict[Hashable, int] = {}
        self._distinct: list[Any] = []
        self._numbers = array("H")
        self._values: list[Any] | None = None  # as soon as there are too many different ones

    def append(self, value: Any) -> None:
        """Add a value."""
        if self._values is not None:
            self._values.append(value)
            return
        key = _key(value)
        if key is None or (key not in self._known and self._are_many()):
            self._values = [*Repeated(self._distinct, np.frombuffer(self._numbers, np.uint16)), value]
            return
        number = self._known.setdefault(key, len(self._known))
        if number == len(self._distinct):
            self._distinct.append(value)
        self._numbers.append(number)

    def _are_many(self) -> bool:
        """Whether too many values are different for another one."""
        return len(self._known) == MOST or (len(self._known) == FIRST // 2 and len(self._numbers) < FIRST)

    def build(self) -> Sequence[Any]:
        """All values: a list if too many are different. Nothing can be added afterwards."""
        if self._values is not None:
            return self._values
        numbers = np.frombuffer(self._numbers, np.uint16)
        return Repeated(self._distinct, numbers.astype(np.uint8) if len(self._distinct) <= 1 << 8 else numbers)


def compact(values: Iterable[Any]) -> Sequence[Any]:
    """The same values in fewer bytes, if few of them are different; else a list."""
    if isinstance(values, Repeated):
        return values
    builder = CompactBuilder()
    for value in values:
        builder.append(value)
    return builder.build()


def counted(values: Sequence[Any]) -> list[tuple[Any, int]]:
    """Values, and how often each occurs; a list has a 1 for every item."""
    if not isinstance(values, Repeated):
        return [(value, 1) for value in values]
    return list(zip(values.distinct, np.bincount(values.numbers, minlength=len(values.distinct)).tolist(), strict=True))


def mapped(values: Sequence[Any], function: Callable[[Any], Any]) -> Sequence[Any]:
    """The results of a function of each value."""
    if isinstance(values, Repeated):
        return Repeated([function(value) for value in values.distinct], values.numbers)
    return [function(value) for value in values]


def array_of(values: Sequence[Any], function: Callable[[Any], Any], dtype: type) -> NDArray[Any]:
    """The results of a function of each value, as an array ``(n,)``."""
    if isinstance(values, Repeated):
        results: NDArray[Any] = array_of(list(values.distinct), function, dtype)[values.numbers]
        return results
    return np.fromiter(map(function, values), dtype, len(values))


def is_present(value: Any) -> bool:
    """Whether a value is not None."""
    return value is not None


def _key(value: Any) -> Hashable:
    """What tells a value from others that are equal to it, as 1, 1.0 and True are; None if nothing does."""
    if isinstance(value, tuple):
        return (tuple, value) if all(type(item) is str for item in value) else None
    if type(value) not in PLAIN:
        return None
    return (float, repr(value)) if type(value) is float else (type(value), value)
