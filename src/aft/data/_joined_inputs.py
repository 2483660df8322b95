"""The inputs of two datasets as one sequence."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from aft.data._column import places
from aft.data._inputs import Inputs
from aft.data._spill import spilled


class JoinedInputs(Inputs):
    """The inputs of two sources, one after the other.

    Args:
        first: The first ones.
        second: The others, of the same modality.
        order: Positions among all of them, ``(n,)``; by default all, in order.
    """

    def __init__(self, first: Inputs, second: Inputs, order: NDArray[np.int64] | None = None) -> None:
        self._first, self._second = first, second
        self._order = spilled(np.arange(len(first) + len(second)) if order is None else order)
        self.modality, self.threaded = first.modality, first.threaded and second.threaded

    def __len__(self) -> int:
        return len(self._order)

    def __getitem__(self, index: int) -> Any:
        inputs, place = self._find(index)
        return inputs[place]

    def examine(self, index: int) -> str:
        inputs, place = self._find(index)
        return inputs.examine(place)

    def subset(self, indices: Any) -> "JoinedInputs":
        return JoinedInputs(self._first, self._second, self._order[places(indices, len(self))])

    def _find(self, index: int) -> tuple[Inputs, int]:
        place = int(self._order[index])
        return (self._first, place) if place < len(self._first) else (self._second, place - len(self._first))
