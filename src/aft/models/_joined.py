"""Students of several parts, whose features stand side by side."""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn

from aft.data import Inputs
from aft.models._backbone import Backbone, Batch, Recipe


class Columns(NamedTuple):
    """A part and the columns of the features that are its own."""

    part: Backbone
    columns: slice


class JoinedBackbone(Backbone):
    """Several backbones that read the same input. The features are those of all parts, one after the other.

    Each training step trains one part, in turn, with the head: its features are multiplied by the number of parts, and those of the
    others are zero. So the outputs of the whole are the mean of those of its parts, as in an ensemble, and no part relies on another.
    Trained together they do: what fits the training samples at once, such as a table of n-grams, leaves the others nothing to learn.

    Args:
        parts: The backbones, at least two.
    """

    def __init__(self, parts: Sequence[Backbone]) -> None:
        super().__init__()
        self.parts = nn.ModuleList(parts)
        self.accepts = tuple(
            modality for modality in parts[0].accepts if all(modality in part.accepts for part in parts)
        )
        self.dim = sum(part.dim for part in parts)
        recipes = [part.recipe for part in parts]
        self.recipe = Recipe(
            lr=min(recipe.lr for recipe in recipes), weight_decay=min(recipe.weight_decay for recipe in recipes),
            epochs=max(recipe.epochs for recipe in recipes), batch_size=min(recipe.batch_size for recipe in recipes),
        )  # fmt: skip
        self._steps = 0

    def encode(self, inputs: Sequence[Any]) -> list[Any]:
        """Encode inputs for each part."""
        return list(zip(*(part.encode(inputs) for part in self._parts()), strict=True))

    @property
    def augments(self) -> bool:
        """Whether any part does."""
        return any(part.augments for part in self._parts())

    def augment(self, value: Any) -> Any:
        """Encode an input for each part, as its training does."""
        return tuple(part.augment(value) for part in self._parts())

    def check_deterministic(self, inputs: Inputs) -> None:
        """Make sure that each part encodes inputs the same way each time."""
        for part in self._parts():
            part.check_deterministic(inputs)

    def collate(self, encoded: Sequence[Any]) -> Batch:
        """Combine what the parts make of their batches; the names of tensors begin with the number of the part."""
        batch: Batch = {}
        for number, (part, own) in enumerate(zip(self._parts(), zip(*encoded, strict=True), strict=True)):
            batch |= {f"{number}.{name}": value for name, value in part.collate(own).items()}
        return batch

    def forward(self, batch: Batch) -> Tensor:
        """Features ``(B, d)`` of a batch; in training those of one part, see the class."""
        chosen = self._steps % len(self.parts) if self.training else None
        self._steps += self.training
        features: list[Tensor | None] = []
        for number, part in enumerate(self._parts()):
            own = {name.partition(".")[2]: value for name, value in batch.items() if name.startswith(f"{number}.")}
            features.append(part(own) if chosen in (None, number) else None)
        if chosen is None:
            return torch.cat([one for one in features if one is not None], dim=1)
        present = features[chosen]
        assert present is not None
        return torch.cat(
            [
                present.new_zeros(len(present), part.dim) if one is None else one * len(self.parts)
                for part, one in zip(self._parts(), features, strict=True)
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
        return any(part.starts_linear for part in self._parts())

    def linear_inputs(self, encoded: Sequence[Any]) -> Any:
        """Those of the part that starts from a linear model."""
        number, (part, _) = self._linear()
        return part.linear_inputs([item[number] for item in encoded])

    def start_from(self, weight: Tensor, head: Tensor) -> None:
        """Let that part take over a linear model. The head's other columns keep their random weights."""
        _, (part, columns) = self._linear()
        part.start_from(weight, head[:, columns])
        head[:, columns] /= len(self.parts)

    def length(self, encoded: Any) -> int:
        """The sum over the parts."""
        return sum(part.length(own) for part, own in zip(self._parts(), encoded, strict=True))

    def truncated(self, encoded: Any) -> bool:
        """Whether it was longer than the limit of any part."""
        return any(part.truncated(own) for part, own in zip(self._parts(), encoded, strict=True))

    def limit(self) -> str:
        """The limits of the parts."""
        return " and ".join(filter(None, (part.limit() for part in self._parts())))

    def preprocessing(self) -> dict[str, str | int | float | None]:
        """That of all parts, by their numbers."""
        return {
            f"{number}.{name}": value
            for number, part in enumerate(self._parts())
            for name, value in part.preprocessing().items()
        }

    def train_preprocessing(self) -> str | None:
        """A digest of those of all parts."""
        return _combined([part.train_preprocessing() for part in self._parts()])

    def identity(self) -> tuple[str | None, str | None]:
        """Digests of those of all parts."""
        modules, codes = zip(*(part.identity() for part in self._parts()), strict=True)
        return _combined(modules), _combined(codes)

    def config(self) -> dict[str, Any]:
        """The configs of the parts."""
        return {"class": "joined", "parts": [part.config() for part in self._parts()]}

    def save_assets(self, directory: Path) -> None:
        """Write the files of each part into a directory of its own."""
        for number, part in enumerate(self._parts()):
            own = assets_of(directory, number)
            own.mkdir(exist_ok=True)
            part.save_assets(own)

    def _parts(self) -> Iterator[Backbone]:
        return (cast("Backbone", part) for part in self.parts)

    def _linear(self) -> tuple[int, Columns]:
        """The first part that starts from a linear model, with its number."""
        start = 0
        for number, part in enumerate(self._parts()):
            if part.starts_linear:
                return number, Columns(part, slice(start, start + part.dim))
            start += part.dim
        raise NotImplementedError


def assets_of(directory: Path, number: int) -> Path:
    """The directory of the files of one part.

    Args:
        directory: That of the whole.
        number: Number of the part, from 0 on.
    """
    return directory / f"part-{number}"


def _combined(digests: Sequence[str | None]) -> str | None:
    """One digest of several; None if there are none."""
    return hashlib.sha256(repr(digests).encode()).hexdigest() if any(digests) else None
