"""What the sources of samples share: items, cells, paths, ids from content."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from aft.data._inputs import Inputs
from aft.errors import DataError


class Columns:
    """Inputs and targets side by side, as a map-style dataset."""

    def __init__(self, inputs: Any, targets: Any) -> None:
        if targets is not None and len(targets) != len(inputs):
            raise DataError(
                f"a dataset has one label a sample; received {len(inputs)} inputs and {len(targets)} targets; match them"
            )
        self._inputs, self._targets = inputs, targets

    def __len__(self) -> int:
        return len(self._inputs)

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        if self._targets is None:
            return (self._inputs[index],)
        return self._inputs[index], self._targets[index]


def pick_all(dataset: Any, keys: Sequence[str | int], index: int) -> Any:
    """The input of an item: one value, or a tuple of two."""
    item = dataset[index]
    values = [pick(item, key) for key in keys]
    return tuple(values) if len(values) == 2 else values[0]


def has(item: Any, key: str | int) -> bool:
    """Whether an item of a map-style dataset has a key."""
    try:
        item[key]
    except (KeyError, IndexError, TypeError):
        return False
    return True


def pick(item: Any, key: str | int) -> Any:
    """A part of an item of a map-style dataset.

    Raises:
        DataError: It has no such part.
    """
    if not has(item, key):
        known = list(item) if isinstance(item, dict) else f"{type(item).__name__} of {len(item)}"
        raise DataError(f"every item needs {key!r}; received {known}; name the key with input= or label=")
    return item[key]


def as_text(value: Any) -> str:
    """A cell as text."""
    return "" if value is None else str(value)


def as_id(value: Any, row: int) -> str:
    """A cell as an id.

    Raises:
        DataError: It is empty.
    """
    if value is None or str(value) == "":
        raise DataError(f"every sample needs an id; row {row} has none; fill it, or leave --id out")
    return str(value)


def inside(root: Path, relative: str, row: int) -> Path:
    """A path below a folder.

    Raises:
        DataError: It is empty, or leads out of the folder.
    """
    path = root / relative
    if not relative:
        raise DataError(f"every row needs an image's path; row {row} has none; fill it or remove the row")
    if not path.resolve().is_relative_to(root.resolve()):
        raise DataError(
            f"image paths lie below the table's folder; row {row} has {relative!r}; name the folder that holds the images with --image-root"
        )
    return path


def content_ids(inputs: Inputs) -> list[str]:
    """Hashes of inputs; equal inputs are told apart by a count, an input that cannot be read by its position."""
    ids: list[str] = []
    seen: Counter[str] = Counter()
    for index in range(len(inputs)):
        try:
            digest = inputs.examine(index)
        except DataError:
            digest = f"row-{index + 1}"
        seen[digest] += 1
        ids.append(digest if seen[digest] == 1 else f"{digest}-{seen[digest]}")
    return ids
