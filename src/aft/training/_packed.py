"""Encoded inputs of many samples in few bytes: their arrays one after the other, where lists take a hundred bytes more for each."""

from abc import abstractmethod
from array import array
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aft.data import GrowingBytes, compact, spilled

#: Types of tensors that are packed.
PLAIN = (torch.float32, torch.float16, torch.float64, torch.uint8, torch.int32, torch.int64, torch.bool)


class UnlikeError(TypeError):
    """Encoded inputs are not alike, so that they cannot be packed."""


def is_packable(item: Any) -> bool:
    """Whether an encoded input is a tensor, or tensors, arrays of one dimension and single values in tuples or dicts."""
    if isinstance(item, tuple):
        return any(isinstance(part, tuple | np.ndarray | Tensor) for part in item) and all(map(is_packable, item))
    if isinstance(item, dict):
        return is_packable(tuple(item.values()))
    if isinstance(item, Tensor):
        return _fits(item, item)
    return item.ndim == 1 if isinstance(item, np.ndarray) else item is None or isinstance(item, bool | int | float)


def packed(items: Iterable[Any], like: Any) -> Sequence[Any]:
    """Pack encoded inputs.

    Args:
        items: Tuples, which are read once.
        like: One of them. In all others the same fields are arrays, and of the same types.

    Returns:
        The same inputs, in files if they are large. Tensors are copies at each use, as those in a file cannot be written to.

    Raises:
        UnlikeError: The fields of one are other ones.
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
    if isinstance(like, dict):
        return _Dicts(like)
    if isinstance(like, Tensor):
        return _Tensors(like)
    return _Arrays(like.dtype) if isinstance(like, np.ndarray) else _Values()


class _Tuples:
    def __init__(self, like: Any) -> None:
        self._make = getattr(type(like), "_make", tuple)
        self._columns = [_column(value) for value in like]

    def append(self, value: Any) -> None:
        if not isinstance(value, tuple) or len(value) != len(self._columns):
            raise UnlikeError(f"encoded inputs have {len(self._columns)} fields; received {value!r:.80}")
        for column, part in zip(self._columns, value, strict=True):
            column.append(part)

    def build(self) -> "PackedTuples":
        return PackedTuples(self._make, [column.build() for column in self._columns])


class _Dicts:
    def __init__(self, like: dict[str, Any]) -> None:
        self._names = list(like)
        self._tuples = _Tuples(tuple(like.values()))

    def append(self, value: Any) -> None:
        if not isinstance(value, dict) or list(value) != self._names:
            raise UnlikeError(f"encoded inputs have the same fields; received {value!r:.80} after {self._names}")
        self._tuples.append(tuple(value.values()))

    def build(self) -> "PackedDicts":
        return PackedDicts(self._names, self._tuples.build())


class _Arrays:
    def __init__(self, dtype: np.dtype[Any]) -> None:
        self._dtype = dtype
        self._content, self._ends, self._size = GrowingBytes(), array("Q"), 0

    def append(self, value: NDArray[Any]) -> None:
        if not isinstance(value, np.ndarray) or value.ndim != 1:
            raise UnlikeError(f"the values of a field are arrays; received {type(value).__name__}")
        if value.dtype != self._dtype:
            raise UnlikeError(f"the arrays of a field have one type; received {value.dtype} after {self._dtype}")
        self._content.append(np.ascontiguousarray(value).data.cast("B"))
        self._size += len(value)
        self._ends.append(self._size)

    def build(self) -> "PackedArrays":
        return PackedArrays(self._content.build().view(self._dtype), spilled(np.frombuffer(self._ends, np.uint64)))


class _Tensors:
    def __init__(self, like: Tensor) -> None:
        self._like, self._size = like, 0
        self._content, self._others = GrowingBytes(), dict[int, Any]()

    def append(self, value: Any) -> None:
        if _fits(value, self._like):
            self._content.append(value.contiguous().numpy().reshape(-1).view(np.uint8).data)
        else:  # such as a picture that a user's preprocessing leaves at another size
            self._others[self._size] = value
            self._content.append(bytes(self._like.numel() * self._like.element_size()))
        self._size += 1

    def build(self) -> "PackedTensors":
        content = self._content.build().view(self._like.numpy().dtype)
        return PackedTensors(content.reshape(self._size, *self._like.shape), self._others)


def _fits(value: Any, like: Tensor) -> bool:
    """Whether a value is a tensor of plain numbers in memory, with the shape and type of another one."""
    if type(value) is not Tensor or value.requires_grad or value.device.type != "cpu" or value.layout != torch.strided:
        return False
    return (
        value.dtype in PLAIN
        and value.ndim > 0
        and value.numel() > 0
        and (value.shape, value.dtype) == (like.shape, like.dtype)
    )


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


class _Rows(Sequence[Any]):
    """A sequence that reads one item at a time."""

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, slice):
            return [self._one(place) for place in range(len(self))[key]]
        return self._one(range(len(self))[key])

    @abstractmethod
    def _one(self, position: int) -> Any:
        """The item at a position from 0 on."""


class PackedTensors(_Rows):
    """Tensors of one shape, one after the other, and those of other shapes by their positions."""

    def __init__(self, content: NDArray[Any], others: Mapping[int, Any]) -> None:
        self._content, self._others = content, others

    def _one(self, position: int) -> Any:
        return self._others[position] if position in self._others else torch.from_numpy(self._content[position].copy())

    def __len__(self) -> int:
        return len(self._content)


class PackedTuples(_Rows):
    """Tuples of one type, each of whose fields is a column."""

    def __init__(self, make: Any, columns: Sequence[Any]) -> None:
        self._make, self._columns = make, columns

    def _one(self, position: int) -> Any:
        return self._make([column[position] for column in self._columns])

    def __len__(self) -> int:
        return len(self._columns[0])


class PackedDicts(_Rows):
    """Dicts with the same keys."""

    def __init__(self, names: Sequence[str], tuples: PackedTuples) -> None:
        self._names, self._tuples = names, tuples

    def _one(self, position: int) -> Any:
        return dict(zip(self._names, self._tuples[position], strict=True))

    def __len__(self) -> int:
        return len(self._tuples)


class Subset(_Rows):
    """Some of many packed inputs. Each is read when it is asked for."""

    def __init__(self, everything: Sequence[Any], positions: Sequence[int]) -> None:
        self._everything, self._positions = everything, positions

    def _one(self, position: int) -> Any:
        return self._everything[self._positions[position]]

    def __len__(self) -> int:
        return len(self._positions)
