"""Students whose parts' features stand side by side."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from aft.models._backbone import Backbone, Batch, LinearStart
from aft.models._parts import PartsBackbone


class JoinedBackbone(PartsBackbone):
    """The features of all parts, one after the other.

    Each training step trains one part, in turn, with the head: its features are multiplied by the number of parts, and those of the
    others are zero. So the outputs of the whole are the mean of those of its parts, as in an ensemble, and no part relies on another.
    Trained together they do: what fits the training samples at once, such as a table of n-grams, leaves the others nothing to learn.

    Args:
        parts: The backbones, at least two.
    """

    sign = "+"

    def __init__(self, parts: Sequence[Backbone]) -> None:
        super().__init__(parts)
        self.dim = sum(part.dim for part in parts)
        self._steps = 0

    def forward(self, batch: Batch) -> Tensor:
        """Features ``(B, d)`` of a batch; in training those of one part, see the class."""
        if not self.training:
            return torch.cat([self.part_features(number, batch) for number in range(len(self.parts))], dim=1)
        chosen = self._steps % len(self.parts)
        self._steps += 1
        features = self.part_features(chosen, batch)
        return torch.cat(
            [
                features * len(self.parts) if number == chosen else features.new_zeros(len(features), part.dim)
                for number, part in enumerate(self.each())
            ],
            dim=1,
        )

    def get_extra_state(self) -> Tensor:
        """The number of steps, so that a training that is resumed trains the parts in the same order."""
        return torch.tensor(self._steps)

    def set_extra_state(self, state: Tensor) -> None:
        """Take over the number of steps."""
        self._steps = int(state)

    @property
    def linear_start(self) -> LinearStart | None:
        """That of the part whose linear model has the most inputs, as n-grams have more of them than a table of tokens."""
        ends = np.cumsum([part.dim for part in self.each()]).tolist()
        found = [
            _PartStart(part.linear_start, number, slice(end - part.dim, end), len(self.parts))
            for number, (part, end) in enumerate(zip(self.each(), ends, strict=True))
            if part.linear_start is not None
        ]
        return max(found, key=lambda start: start.linear_width, default=None)


@dataclass(frozen=True)
class _PartStart(LinearStart):
    """The linear start of one part. The head's columns of the others keep their random weights.

    Attributes:
        start: That of the part.
        number: Number of the part.
        columns: Its columns of the features.
        parts: Number of parts, whose mean the outputs are.
    """

    start: LinearStart
    number: int
    columns: slice
    parts: int

    @property
    def linear_width(self) -> int:
        """That of the part."""
        return self.start.linear_width

    def linear_inputs(self, encoded: Sequence[Any]) -> Any:
        """Those of the part."""
        return self.start.linear_inputs([item[self.number] for item in encoded])

    def start_from(self, weight: Tensor, head: Tensor) -> None:
        """Let the part take over a linear model."""
        self.start.start_from(weight, head[:, self.columns])
        head[:, self.columns] /= self.parts
