"""Columns of strings: their bytes one after the other. Lists of Python's strings take over fifty for each beside its characters."""

from array import array
from collections.abc import Iterable, Sequence
from itertools import accumulate, islice
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aft.data._column import CHUNK, Column, places
from aft.data._spill import GrowingBytes, spilled

#: Bytes up to which four are enough for the end of a string.
LARGEST = (1 << 32) - 1
#: Strings that are encoded together where they come one by one: each alone takes twice as long.
TOGETHER = 64


class Strings(Column[str]):
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
        builder, iterator = StringsBuilder(), iter(values)
        while chunk := list(islice(iterator, CHUNK)):
            builder.extend(chunk)
        return builder.build()

    def take(self, positions: Sequence[int] | NDArray[np.int64]) -> "Strings":
        builder, wanted = StringsBuilder(), places(positions, len(self))
        for start in range(0, len(wanted), CHUNK):
            chosen = wanted[start : start + CHUNK]
            ends = self._ends[chosen].tolist()
            starts = np.where(chosen > 0, self._ends[chosen - 1], 0).tolist()
            builder.extend_encoded([self._bytes[a:b] for a, b in zip(starts, ends, strict=True)])
        return builder.build()

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
        self._content, self._ends = GrowingBytes(), array("I")
        self._waiting: list[str] = []

    def append(self, value: str) -> None:
        """Add a string."""
        self._waiting.append(value)
        if len(self._waiting) == TOGETHER:
            self._add_waiting()

    def extend(self, values: Iterable[str]) -> None:
        """Add strings."""
        self.extend_encoded([value.encode("utf-8", "surrogatepass") for value in values])

    def _add_waiting(self) -> None:
        waiting, self._waiting = self._waiting, []
        if waiting:
            self.extend(waiting)

    def extend_encoded(self, values: Sequence[bytes | memoryview]) -> None:
        """Add strings in UTF-8."""
        self._add_waiting()
        size = len(self._content)
        self._content.append(b"".join(values))
        if len(self._content) > LARGEST and self._ends.typecode == "I":
            self._ends = array("Q", self._ends)
        self._ends.extend(islice(accumulate(map(len, values), initial=size), 1, None))

    def build(self) -> Strings:
        """The strings. Nothing can be added afterwards."""
        self._add_waiting()
        return Strings(self._content.build(), spilled(np.frombuffer(self._ends, self._ends.typecode)))


class Digests(Column[str]):
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
        content, iterator = GrowingBytes(), iter(values)
        while chunk := "".join(islice(iterator, CHUNK)):
            content.append(bytes.fromhex(chunk))
        return cls(content.build().reshape(-1, 16))

    def take(self, positions: Sequence[int] | NDArray[np.int64]) -> "Digests":
        wanted, content = places(positions, len(self)), GrowingBytes()
        for start in range(0, len(wanted), CHUNK):
            content.append(self.content[wanted[start : start + CHUNK]].tobytes())
        return Digests(content.build().reshape(-1, 16))

    def _one(self, position: int) -> str:
        digest: bytes = self.content[position].tobytes()
        return digest.hex()

    def _chunk(self, start: int, stop: int) -> list[str]:
        digits = self.content[start:stop].tobytes().hex()
        return [digits[place : place + 32] for place in range(0, len(digits), 32)]

    def __len__(self) -> int:
        return len(self.content)

    @property
    def halves(self) -> NDArray[np.uint64]:
        """The two halves of each digest, ``(n, 2)``."""
        return np.ascontiguousarray(self.content).view(np.uint64)

    def numbers(self) -> NDArray[np.int64]:
        """A number for each digest, ``(n,)``: the same for equal ones, and otherwise another."""
        halves = self.halves
        order = np.argsort(halves[:, 0])
        first = halves[order, 0]
        new = np.empty(len(order), dtype=bool)
        new[:1], new[1:] = True, first[1:] != first[:-1]
        # Those that share the first half with a neighbour, which are few, are sorted by the second one too.
        shared = np.flatnonzero(~new | ~np.append(new[1:], True))
        again = order[shared]
        again = again[np.lexsort((halves[again, 1], halves[again, 0]))]
        order[shared] = again
        new[shared[1:]] |= halves[again[1:], 1] != halves[again[:-1], 1]
        found = np.empty(len(order), dtype=np.int64)
        found[order] = np.cumsum(new) - 1
        return found
