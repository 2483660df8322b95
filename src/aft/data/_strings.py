"""Columns of strings in few bytes: lists of Python's strings take over fifty for each beside its characters."""

from abc import abstractmethod
from array import array
from collections.abc import Hashable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, Self, overload

import numpy as np
from numpy.typing import NDArray

#: Strings that are encoded or decoded at a time.
CHUNK = 1 << 14
#: Bytes up to which four are enough for the end of a string.
LARGEST = (1 << 32) - 1


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


class StringColumn(Sequence[str]):
    """An immutable sequence of strings that is equal to a list of the same strings."""

    @abstractmethod
    def take(self, positions: Sequence[int] | NDArray[np.int64]) -> Self:
        """The strings at some positions, ``(n,)``, in the given order."""

    @abstractmethod
    def _one(self, position: int) -> str:
        """The string at a position."""

    @abstractmethod
    def _chunk(self, start: int, stop: int) -> list[str]:
        """The strings from one position to another."""

    @overload
    def __getitem__(self, key: int) -> str: ...
    @overload
    def __getitem__(self, key: slice) -> list[str]: ...
    def __getitem__(self, key: int | slice) -> str | list[str]:
        if isinstance(key, slice):
            places = range(len(self))[key]
            return self._chunk(places.start, places.stop) if places.step == 1 else [self[place] for place in places]
        position = key + len(self) if key < 0 else key
        if not 0 <= position < len(self):
            raise IndexError(f"a column of {len(self):,} strings has no position {key}")
        return self._one(position)

    def __iter__(self) -> Iterator[str]:
        for start in range(0, len(self), CHUNK):
            yield from self._chunk(start, min(start + CHUNK, len(self)))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence) or isinstance(other, str):
            return NotImplemented
        return len(self) == len(other) and all(mine == its for mine, its in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        shown = ", ".join(map(repr, islice(self, 3)))
        return f"[{shown}{', ...' if len(self) > 3 else ''}] ({len(self):,} in all)"


class Strings(StringColumn):
    """Any strings: their UTF-8 one after the other, and where each ends.

    Args:
        content: The bytes of all strings.
        ends: For each string the number of bytes up to its end, ``(n,)``.

    Example:
        >>> Strings.of(["one", "two"])[1]
        'two'
    """

    def __init__(self, content: NDArray[np.uint8], ends: NDArray[np.unsignedinteger]) -> None:
        self._content, self._ends = content, ends
        # Single numbers and slices of a memoryview take a fraction of the time of an array's.
        self._bytes, self._places = content.data, ends.data

    @classmethod
    def of(cls, values: Iterable[str]) -> "Strings":
        """The strings of an iterable, which is read once; the same column if it is one."""
        if isinstance(values, Strings):
            return values
        builder = StringsBuilder()
        for value in values:
            builder.append(value)
        return builder.build()

    def take(self, positions: Sequence[int] | NDArray[np.int64]) -> "Strings":
        return Strings.of(self[int(position)] for position in positions)

    def _one(self, position: int) -> str:
        start = self._places[position - 1] if position else 0
        return str(self._bytes[start : self._places[position]], "utf-8", "surrogatepass")

    def _chunk(self, start: int, stop: int) -> list[str]:
        if stop <= start:
            return []
        first = self._places[start - 1] if start else 0
        ends = [end - first for end in self._places[start:stop]]
        raw = self._content[first : first + ends[-1]].tobytes()
        return [raw[a:b].decode("utf-8", "surrogatepass") for a, b in zip([0, *ends], ends, strict=False)]

    def __len__(self) -> int:
        return len(self._ends)

    def __reduce__(self) -> tuple[Any, ...]:
        return Strings, (self._content, self._ends)


class StringsBuilder:
    """Collects strings one by one."""

    def __init__(self) -> None:
        self._content, self._ends = bytearray(), array("I")

    def append(self, value: str) -> None:
        """Add a string."""
        self._content += value.encode("utf-8", "surrogatepass")
        if len(self._content) > LARGEST and self._ends.typecode == "I":
            self._ends = array("Q", self._ends)
        self._ends.append(len(self._content))

    def build(self) -> Strings:
        """The strings. Nothing can be added afterwards."""
        return Strings(np.frombuffer(self._content, np.uint8), np.frombuffer(self._ends, self._ends.typecode))


class Digests(StringColumn):
    """Digests of 128 bits, each a string of 32 hexadecimal digits.

    Args:
        content: The digests, ``(n, 16)``.
    """

    def __init__(self, content: NDArray[np.uint8]) -> None:
        self.content = content

    @classmethod
    def of(cls, values: Iterable[str]) -> "Digests":
        """The digests of an iterable, which is read once; the same column if it is one."""
        if isinstance(values, Digests):
            return values
        content, iterator = bytearray(), iter(values)
        while chunk := "".join(islice(iterator, CHUNK)):
            content += bytes.fromhex(chunk)
        return cls(np.frombuffer(content, np.uint8).reshape(-1, 16))

    def take(self, positions: Sequence[int] | NDArray[np.int64]) -> "Digests":
        return Digests(self.content[np.asarray(positions, dtype=np.int64)])

    def _one(self, position: int) -> str:
        digest: bytes = self.content[position].tobytes()
        return digest.hex()

    def _chunk(self, start: int, stop: int) -> list[str]:
        digits = self.content[start:stop].tobytes().hex()
        return [digits[place : place + 32] for place in range(0, len(digits), 32)]

    def __len__(self) -> int:
        return len(self.content)

    def numbers(self) -> NDArray[np.int64]:
        """A number for each digest, ``(n,)``: the same for equal ones, and otherwise another."""
        halves = np.ascontiguousarray(self.content).view(np.uint64)
        order = np.lexsort((halves[:, 1], halves[:, 0]))
        ranked = halves[order]
        found = np.empty(len(order), dtype=np.int64)
        found[order] = np.cumsum(np.r_[False, (ranked[1:] != ranked[:-1]).any(axis=1)]) if len(order) else 0
        return found


def contained(values: Sequence[str], others: Sequence[str]) -> NDArray[np.bool_]:
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
    known: dict[Hashable, int] = {}
    return np.fromiter((known.setdefault(value, len(known)) for value in values), np.int64, len(values))
