"""Encoded inputs of many samples in few bytes: their arrays one after the other, where lists take a hundred bytes more for each."""

from array import array
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from aft.data import GrowingBytes, compact, spilled


def is_packable(item: Any) -> bool:
    """Whether an encoded input consists of arrays of one dimension and single values, in tuples."""
    if isinstance(item, tuple):
        return any(isinstance(part, tuple | np.ndarray) for part in item) and all(map(is_packable, item))
    return item.ndim == 1 if isinstance(item, np.ndarray) else item is None or isinstance(item, bool | int | float)


def packed(items: Iterable[Any], like: Any) -> Sequence[Any]:
    """Pack encoded inputs.

    Args:
        items: Tuples, which are read once.
        like: One of them. In all others the same fields are arrays, and of the same types.

    Returns:
        The same inputs, in files if they are large.
    """
    column = _column(like)
    for item in items:
        column.append(item)
    found: Sequence[Any] = column.build()
    return found


class _Column(Protocol):
    """Collects the values of a field."""

    def append(self, value: Any) -> None: ...
    def build(self) -> Any: ...


def _column(like: Any) -> _Column:
    if isinstance(like, tuple):
        return _Tuples(like)
    return _Arrays(like.dtype) if isinstance(like, np.ndarray) else _Values()


class _Tuples:
    def __init__(self, like: Any) -> None:
        self._make = getattr(type(like), "_make", tuple)
        self._columns = [_column(value) for value in like]

    def append(self, value: Any) -> None:
        for column, part in zip(self._columns, value, strict=True):
            column.append(part)

    def build(self) -> "PackedTuples":
        return PackedTuples(self._make, [column.build() for column in self._columns])


class _Arrays:
    def __init__(self, dtype: np.dtype[Any]) -> None:
        self._dtype = dtype
        self._content, self._ends, self._size = GrowingBytes(), array("Q"), 0

    def append(self, value: NDArray[Any]) -> None:
        if value.dtype != self._dtype:
            raise TypeError(f"the arrays of a field have one type; received {value.dtype} after {self._dtype}")
        self._content.append(np.ascontiguousarray(value).data.cast("B"))
        self._size += len(value)
        self._ends.append(self._size)

    def build(self) -> "PackedArrays":
        return PackedArrays(self._content.build().view(self._dtype), spilled(np.frombuffer(self._ends, np.uint64)))


class _Values:
    def __init__(self) -> None:
        self._values: list[Any] = []

    def append(self, value: Any) -> None:
        self._values.append(value)

    def build(self) -> Sequence[Any]:
        return compact(self._values)


class PackedArrays:
    """Arrays of one dimension, one after the other, and where each ends."""

    def __init__(self, content: NDArray[Any], ends: NDArray[np.uint64]) -> None:
        self._content, self._ends = content, ends
        self._places = ends.data  # whose single numbers take a fraction of the time of an array's

    def __getitem__(self, key: int) -> NDArray[Any]:
        position = range(len(self))[key]
        return self._content[self._places[position - 1] if position else 0 : self._places[position]]

    def __len__(self) -> int:
        return len(self._ends)

    def __reduce__(self) -> tuple[Any, ...]:
        return PackedArrays, (self._content, self._ends)


class PackedTuples(Sequence[Any]):
    """Tuples of one type, each of whose fields is a column."""

    def __init__(self, make: Any, columns: Sequence[Any]) -> None:
        self._make, self._columns = make, columns

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, slice):
            return [self[place] for place in range(len(self))[key]]
        return self._make([column[key] for column in self._columns])

    def __len__(self) -> int:
        return len(self._columns[0])
