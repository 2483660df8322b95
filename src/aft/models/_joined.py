"""Students whose parts' features stand side by side."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from aft.models._backbone import Backbone, Batch
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
    def starts_linear(self) -> bool:
        """Whether any part does."""
        return any(part.starts_linear for part in self.each())

    def linear_inputs(self, encoded: Sequence[Any]) -> Any:
        """Those of the part that starts from a linear model."""
        number, part, _ = self._linear()
        return part.linear_inputs([item[number] for item in encoded])

    def start_from(self, weight: Tensor, head: Tensor) -> None:
        """Let that part take over a linear model. The head's other columns keep their random weights."""
        _, part, columns = self._linear()
        part.start_from(weight, head[:, columns])
        head[:, columns] /= len(self.parts)

    def _linear(self) -> tuple[int, Backbone, slice]:
        """The first part that starts from a linear model: its number, itself, and its columns of the features."""
        start = 0
        for number, part in enumerate(self.each()):
            if part.starts_linear:
                return number, part, slice(start, start + part.dim)
            start += part.dim
        raise NotImplementedError
