"""Students of several parts: what those have in common that join features and those that multiply them."""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

from torch import Tensor, nn

from aft.data import Inputs, Modality, modality_name
from aft.errors import UsageError
from aft.models._backbone import Backbone, Batch, Recipe, Role


class PartsBackbone(Backbone):
    """Several backbones. Each reads the whole input, or its part of inputs that have several.

    Args:
        parts: The backbones, at least two.
    """

    #: What stands between the names of the parts.
    sign: str

    def __init__(self, parts: Sequence[Backbone]) -> None:
        super().__init__()
        self.parts = nn.ModuleList(parts)
        self.accepts = tuple(
            modality for modality in parts[0].accepts if all(modality in part.accepts for part in parts)
        )
        self.spec = self.sign.join(part.spec for part in parts)
        recipes = [part.recipe for part in parts]
        self.recipe = Recipe(
            lr=min(recipe.lr for recipe in recipes), weight_decay=min(recipe.weight_decay for recipe in recipes),
            epochs=max(recipe.epochs for recipe in recipes), batch_size=min(recipe.batch_size for recipe in recipes),
        )  # fmt: skip

    def read(self, modality: Modality, role: Role) -> None:
        """Let each part read the inputs of a dataset, or its part of them.

        Raises:
            UsageError: A part accepts none of it, or no part reads some of it.
        """
        read: set[int] = set()
        for part in self.each():
            part.read(modality, "part")
            read |= set(range(len(modality))) if part.reads is None else {part.reads}
        for position, name in enumerate(modality):
            if position not in read:
                raise UsageError(
                    f"the parts of a {role} read all of an input; the dataset holds {modality_name(modality)} inputs, and no part of "
                    f"{self.spec} reads the {name}; add one that does"
                )

    def encode_own(self, inputs: Sequence[Any]) -> list[Any]:
        """Encode inputs for each part."""
        return list(zip(*(part.encode(inputs) for part in self.each()), strict=True))

    @property
    def augments(self) -> bool:
        """Whether any part does."""
        return any(part.augments for part in self.each())

    def augment(self, value: Any) -> Any:
        """Encode an input for each part, as its training does."""
        return tuple(part.augment(value) for part in self.each())

    def check_deterministic(self, inputs: Inputs) -> None:
        """Make sure that each part encodes inputs the same way each time."""
        for part in self.each():
            part.check_deterministic(inputs)

    def collate(self, encoded: Sequence[Any]) -> Batch:
        """Combine what the parts make of their batches; the names of tensors begin with the number of the part."""
        return self._by_part(encoded, lambda part, own: part.collate(own))

    def graph_batch(self, encoded: Sequence[Any]) -> Batch:
        """The same of what the graphs of the parts get."""
        return self._by_part(encoded, lambda part, own: part.graph_batch(own))

    def _by_part(self, encoded: Sequence[Any], combine: Callable[[Backbone, Sequence[Any]], Batch]) -> Batch:
        batch: Batch = {}
        for number, (part, own) in enumerate(zip(self.each(), zip(*encoded, strict=True), strict=True)):
            batch |= {f"{number}.{name}": value for name, value in combine(part, own).items()}
        return batch

    def part_features(self, number: int, batch: Batch) -> Tensor:
        """The features of one part.

        Args:
            number: Number of the part, from 0 on.
            batch: The batch of the whole.
        """
        own = {name.partition(".")[2]: value for name, value in batch.items() if name.startswith(f"{number}.")}
        features: Tensor = self.parts[number](own)
        return features

    def length(self, encoded: Any) -> int:
        """The sum over the parts."""
        return sum(part.length(own) for part, own in zip(self.each(), encoded, strict=True))

    def truncated(self, encoded: Any) -> bool:
        """Whether it was longer than the limit of any part."""
        return any(part.truncated(own) for part, own in zip(self.each(), encoded, strict=True))

    def limit(self) -> str:
        """The limits of the parts."""
        return " and ".join(filter(None, (part.limit() for part in self.each())))

    def preprocessing(self) -> dict[str, str | int | float | None]:
        """That of all parts, by their numbers."""
        return {
            f"{number}.{name}": value
            for number, part in enumerate(self.each())
            for name, value in part.preprocessing().items()
        }

    def train_preprocessing(self) -> str | None:
        """A digest of those of all parts."""
        return _combined([part.train_preprocessing() for part in self.each()])

    def identity(self) -> tuple[str | None, str | None]:
        """Digests of those of all parts."""
        modules, codes = zip(*(part.identity() for part in self.each()), strict=True)
        return _combined(modules), _combined(codes)

    def config(self) -> dict[str, Any]:
        """The configs of the parts, and what each reads."""
        return {
            "class": self.sign, "parts": [part.config() for part in self.each()],
            "reads": [part.reads for part in self.each()],
        }  # fmt: skip

    def encodings(self) -> list[dict[str, Any]]:
        """Those of the parts, whose files have folders of their own."""
        return [
            {**encoding, "folder": assets_of(Path(), number).name}
            for number, part in enumerate(self.each())
            for encoding in part.encodings()
        ]

    def save_encodings(self, directory: Path) -> None:
        """Write the files of each part into a directory of its own."""
        for part, own in self._folders(directory):
            part.save_encodings(own)

    def save_assets(self, directory: Path) -> None:
        """Write the files of each part into a directory of its own."""
        for part, own in self._folders(directory):
            part.save_assets(own)

    def _folders(self, directory: Path) -> Iterator[tuple[Backbone, Path]]:
        """The parts with their directories, which are made."""
        for number, part in enumerate(self.each()):
            own = assets_of(directory, number)
            own.mkdir(exist_ok=True)
            yield part, own

    def each(self) -> Iterator[Backbone]:
        """The parts in their order."""
        return (cast("Backbone", part) for part in self.parts)


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
