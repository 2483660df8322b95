"""Raw inputs that belong to no dataset, as in predictions."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from aft.data._digest import text_bytes
from aft.data._inputs import ImageFiles, Items
from aft.data._modality import ARRAY, IMAGE, IMAGE_TEXT, TEXT, TEXT_PAIR, Modality, modality_name, modality_of
from aft.errors import DataError

#: What a pair of texts looks like in Python.
PAIR_HINT = ", and a pair is a tuple of two strings"


def check_inputs(values: Sequence[Any], modality: Modality, start: int = 0) -> list[Any]:
    """Check and convert raw inputs that belong to no dataset, as `Inputs` does for those of a dataset.

    Args:
        values: Inputs. An image may also be the path of a file.
        modality: What they must be.
        start: Number of the first one, for messages.

    Returns:
        Strings, tuples of two strings, RGB images or arrays.

    Raises:
        DataError: An input of another modality, or one that cannot be used; its number is named.
    """
    checked: list[Any] = []
    for number, value in enumerate(values, start):
        try:
            checked.append(_checked(value, modality))
        except DataError as error:
            raise DataError(
                f"the model takes inputs of the modality {modality_name(modality)}; input {number} cannot be used: {error}; "
                "correct it, or leave it out"
            ) from error
    return checked


def _checked(value: Any, modality: Modality) -> Any:
    """One input as `check_inputs` returns it."""
    if modality == TEXT and isinstance(value, str):
        text_bytes(value)
        return value
    if modality == IMAGE and isinstance(value, str | Path):
        return ImageFiles([Path(value)])[0]
    if modality == IMAGE_TEXT and isinstance(value, tuple | list) and len(value) == 2:
        return _checked(value[0], IMAGE), _checked(value[1], TEXT)
    found = modality_of(value)
    if found != modality and not (modality == ARRAY and found == IMAGE):
        raise DataError(f"it is of the modality {modality_name(found)}" + PAIR_HINT * (modality == TEXT_PAIR))
    item = Items(lambda _: value, [0], modality)
    item.examine(0)
    return item[0]


def digest_of(value: Any) -> str:
    """The digest of a raw input that belongs to no dataset.

    Args:
        value: A string, an RGB image, or any other input that a dataset may hold.
    """
    return Items(lambda _: value, [0], modality_of(value)).examine(0)
