"""What is common to the columns of a dataset, which take fewer bytes than lists."""

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, Self, TypeVar, overload

import numpy as np
from numpy.typing import NDArray

#: Values that are encoded or decoded at a time.
CHUNK = 1 << 14

T = TypeVar("T")


class Column(Sequence[T]):
    """An immutable sequence that is equal to a list of the same values."""

    @abstractmethod
    def take(self, positions: Sequence[int] | NDArray[np.int64]) -> Self:
        """The values at some positions, ``(n,)``, in the given order."""

    @abstractmethod
    def _one(self, position: int) -> T:
        """The value at a position."""

    @abstractmethod
    def _chunk(self, start: int, stop: int) -> list[T]:
        """The values from one position to another."""

    @overload
    def __getitem__(self, key: int) -> T: ...
    @overload
    def __getitem__(self, key: slice) -> list[T]: ...
    def __getitem__(self, key: int | slice) -> T | list[T]:
        if isinstance(key, slice):
            places = range(len(self))[key]
            return self._chunk(places.start, places.stop) if places.step == 1 else [self[place] for place in places]
        position = key + len(self) if key < 0 else key
        if not 0 <= position < len(self):
            raise IndexError(f"a column of {len(self):,} values has no position {key}")
        return self._one(position)

    def __iter__(self) -> Iterator[T]:
        for start in range(0, len(self), CHUNK):
            yield from self._chunk(start, min(start + CHUNK, len(self)))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence) or isinstance(other, str):
            return NotImplemented
        return len(self) == len(other) and all(mine == its for mine, its in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]

    def __add__(self, other: Iterable[T]) -> list[T]:
        return [*self, *other]

    def __radd__(self, other: Iterable[T]) -> list[T]:
        return [*other, *self]

    def __repr__(self) -> str:
        shown = ", ".join(map(repr, islice(self, 3)))
        return f"[{shown}{', ...' if len(self) > 3 else ''}] ({len(self):,} in all)"


def taken(values: Sequence[T], positions: Sequence[int] | NDArray[np.int64]) -> Sequence[T]:
    """The values at some positions, in the given order: a list of a list, and a column of a column."""
    if isinstance(values, Column):
        return values.take(positions)
    return [values[position] for position in places(positions, len(values)).tolist()]


def places(positions: Sequence[int] | NDArray[np.int64], length: int) -> NDArray[np.int64]:
    """Positions in a sequence, counted from its start, ``(n,)``.

    Args:
        positions: Any positions; negative ones count from the end.
        length: Length of the sequence.

    Raises:
        IndexError: The sequence has no such position.
    """
    found = np.asarray(positions, dtype=np.int64)
    if len(found) and not -length <= found.min() <= found.max() < length:
        wrong = found[(found < -length) | (found >= length)][0]
        raise IndexError(f"a column of {length:,} values has no position {wrong}")
    return np.where(found < 0, found + length, found) if (found < 0).any() else found


def column_bytes(column: Sequence[Any] | None) -> Iterator[bytes]:
    """The bytes by which the digests of problems know a column: ``repr`` of a list of its values, a part at a time.

    Args:
        column: The values; None for a column that is not there.
    """
    if column is None:
        yield b"None"
        return
    yield b"["
    for start in range(0, len(column), CHUNK):
        values = ", ".join(map(repr, column[start : start + CHUNK]))
        yield (", " * (start > 0) + values).encode("utf-8", "surrogatepass")
    yield b"]"
