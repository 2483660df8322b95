"""Encoded inputs of many samples in few bytes: their arrays one after the other, where lists take a hundred bytes more for each."""

from array import array
from collections.abc import Iterable, Sequence
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from aft.core import GrowingBytes, spilled
from aft.data import compact


class Packed(Sequence[Any]):
    """An immutable sequence of named tuples of one type, whose fields are arrays or repeat few values.

    Args:
        kind: The type.
        columns: For each field its values.
    """

    def __init__(self, kind: Any, columns: "Sequence[Sequence[Any] | _Arrays]") -> None:
        self._kind, self._columns = kind, columns

    @overload
    def __getitem__(self, key: int) -> Any: ...
    @overload
    def __getitem__(self, key: slice) -> list[Any]: ...
    def __getitem__(self, key: int | slice) -> Any:
        if isinstance(key, slice):
            return [self[place] for place in range(len(self))[key]]
        return self._kind._make(column[key] for column in self._columns)

    def __len__(self) -> int:
        return len(self._columns[0])


class _Arrays:
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
        return _Arrays, (self._content, self._ends)


def is_packable(item: Any) -> bool:
    """Whether an encoded input is a named tuple with an array of one dimension."""
    return hasattr(item, "_fields") and any(isinstance(value, np.ndarray) and value.ndim == 1 for value in item)


def packed(items: Iterable[Any], like: Any) -> Packed:
    """Pack encoded inputs.

    Args:
        items: Named tuples, which are read once.
        like: One of them: which of its fields are arrays, those of all are.

    Returns:
        The same inputs, in a file if they are large.
    """
    fields = [_Field(value) for value in like]
    for item in items:
        for field, value in zip(fields, item, strict=True):
            field.append(value)
    return Packed(type(like), [field.build() for field in fields])


class _Field:
    """Collects the values of a field."""

    def __init__(self, like: Any) -> None:
        self._dtype = like.dtype if isinstance(like, np.ndarray) else None
        self._content, self._ends, self._size = GrowingBytes(), array("Q"), 0
        self._values: list[Any] = []

    def append(self, value: Any) -> None:
        """Add a value."""
        if self._dtype is None:
            self._values.append(value)
            return
        self._content.append(np.ascontiguousarray(value, dtype=self._dtype).data.cast("B"))
        self._size += len(value)
        self._ends.append(self._size)

    def build(self) -> "Sequence[Any] | _Arrays":
        """All values."""
        if self._dtype is None:
            return compact(self._values)
        return _Arrays(self._content.build().view(self._dtype), spilled(np.frombuffer(self._ends, np.uint64)))
