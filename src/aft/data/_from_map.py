"""Samples from any map-style dataset: torch's, torchvision's, Hugging Face's, or arrays."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np

from aft.data._by_position import by_position
from aft.data._contents import Contents
from aft.data._holdout import assign_splits
from aft.data._ids import content_ids
from aft.data._inputs import Items
from aft.data._modality import modality_name, modality_of
from aft.data._targets import clean_labels
from aft.errors import DataError

Key = str | int


class Columns:
    """Inputs and targets as a map-style dataset of tuples.

    Run configs record the name of this class as the source, so it must not change.

    Args:
        inputs: N inputs, in the order of the samples whatever their index.
        targets: N targets, or None.

    Raises:
        DataError: The lengths differ, or one of them is no sequence.
    """

    def __init__(self, inputs: Any, targets: Any) -> None:
        inputs, targets = by_position(inputs, "inputs"), by_position(targets, "targets")
        if targets is not None and len(targets) != len(inputs):
            raise DataError(
                f"every input needs one target; received {len(inputs)} inputs and {len(targets)} targets; make the "
                "lengths equal"
            )
        self._inputs, self._targets = inputs, targets

    def __len__(self) -> int:
        return len(self._inputs)

    def __getitem__(self, index: int) -> tuple[Any, ...]:
        if self._targets is None:
            return (self._inputs[index],)
        return self._inputs[index], self._targets[index]


def read_map(
    dataset: Any,
    *,
    input: Key | tuple[Key, Key],  # noqa: A002 - as in Dataset.from_map
    label: Key | None,
    id: Key | None,  # noqa: A002 - as in Dataset.from_map
    ids: Sequence[str] | None,
    splits: Sequence[str] | None,
    groups: Sequence[str] | None,
) -> Contents:
    """Read the labels and ids of a map-style dataset; see `Dataset.from_map` for the arguments.

    Returns:
        The samples. Their inputs are fetched from the dataset whenever they are accessed.

    Raises:
        DataError: The items lack these keys, or their inputs cannot be used.
    """
    size = len(dataset)
    if size == 0:
        raise DataError("a dataset needs at least one sample; received none; check the data")
    keys = input if isinstance(input, tuple) else (input,)
    # Worker processes receive this function, and a closure cannot be pickled.
    fetch = partial(_pick_all, dataset, keys)
    modality = modality_of(fetch(0))
    inputs = Items(fetch, range(size), modality)
    labels = None if label is None else _labels(dataset, label)
    digests: Sequence[str] | None = None
    if ids is None and id is None:
        ids, digests = content_ids(inputs)
    else:
        given = (
            [_pick(dataset[i], id) for i in range(size)] if ids is None and id is not None else by_position(ids, "ids")
        )
        ids = [str(value.item() if hasattr(value, "item") else value) for value in given]
    splits = None if splits is None else assign_splits(by_position(splits, "splits"))
    groups = by_position(groups, "groups")
    source = {"kind": modality_name(modality), "path": type(dataset).__name__}
    return Contents(ids, inputs, labels, splits, groups, source, digests=digests)


def _labels(dataset: Any, key: Key) -> Sequence[Any] | None:
    """The label of each item; None if no item has one."""
    found = {i: item[key] for i in range(len(dataset)) if _has(item := dataset[i], key)}
    if not found:
        return None
    labels = clean_labels([found.get(i) for i in range(len(dataset))])
    # The ClassLabel feature of Hugging Face's datasets: an index into names, -1 for an unlabelled sample.
    names = getattr(getattr(dataset, "features", {}).get(key), "names", None) if hasattr(dataset, "features") else None
    if names:
        labels = [None if value is None or value < 0 else names[value] for value in labels]
    return labels


def _pick_all(dataset: Any, keys: Sequence[Key], index: int) -> Any:
    """The input of one item: a value, or a tuple of two values."""
    item = dataset[index]
    values = [_pick(item, key) for key in keys]
    return tuple(values) if len(values) == 2 else values[0]


def _pick(item: Any, key: Key) -> Any:
    if not _has(item, key):
        known = list(item) if isinstance(item, dict) else f"an item of the type {type(item).__name__}"
        raise DataError(f"every item needs {key!r}; received {known}; name the key with input= or label=")
    return item[key]


def _has(item: Any, key: Key) -> bool:
    if isinstance(item, str | bytes | np.ndarray):
        return False  # its letters and numbers are no fields
    try:
        item[key]
    except (KeyError, IndexError, TypeError):
        return False
    return True
