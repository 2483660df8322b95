"""The training, validation and test splits of a dataset."""

import csv
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from operator import eq
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from aft.core import atomic_path
from aft.data._column import taken
from aft.data._dataset import Dataset
from aft.data._equal import contained
from aft.data._holdout import SPLITS, hold_out
from aft.data._leakage import check_leakage
from aft.data._repeated import array_of, is_present
from aft.data._spill import spilled
from aft.errors import DataError

log = logging.getLogger("aft")

Positions = NDArray[np.int64]


@dataclass(frozen=True)
class Splits:
    """Positions ``(n,)`` of the samples of each split in the dataset.

    Attributes:
        train: Samples of the final training, labelled and unlabelled. Without a validation split in the data,
            they include the validation samples.
        search_train: Samples that the hyperparameter search trains on; none of them is in the validation
            split.
        validation: Labelled samples that the search evaluates on.
        test: Labelled samples of the final measurement; may be empty.
    """

    train: Positions
    search_train: Positions
    validation: Positions
    test: Positions

    def write(self, path: Path, dataset: Dataset) -> None:
        """Write the splits to a CSV file, atomically.

        Each row has a sample's id, split and input digest, and says whether the final training used it.

        Args:
            path: The file.
            dataset: The dataset that the positions refer to.
        """
        trained = np.zeros(len(dataset), dtype=bool)
        trained[self.train] = True
        only_trained = self.train[~np.isin(self.train, self.validation)]
        parts = (("train", only_trained), ("validation", self.validation), ("test", self.test))
        with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(("id", "split", "digest", "trained"))
            for split, members in parts:
                writer.writerows(
                    (dataset.ids[i], split, dataset.digests[i], "yes" if trained[i] else "no")
                    for i in map(int, members)
                )


def make_splits(
    dataset: Dataset,
    *,
    validation_fraction: float,
    test_fraction: float,
    seed: int,
    unlabelled: Literal["use", "skip", "error"],
    leakage: Literal["error", "drop"],
) -> Splits:
    """Divide a dataset into splits.

    Splits that the data defines are kept: its validation samples are never trained on. Missing splits are
    held out from the training samples, stratified by label, with groups and equal inputs on one side.

    Args:
        dataset: The verified samples.
        validation_fraction: Fraction of the labelled training samples for validation.
        test_fraction: Fraction of the labelled samples for testing if the data defines no splits; 0 for none.
        seed: Random seed of the splits.
        unlabelled: ``"use"``, ``"skip"`` or ``"error"`` for training samples without a label.
        leakage: ``"error"`` or ``"drop"`` for training samples that are also in a held-out split.

    Returns:
        The splits.

    Raises:
        DataError: There are no labels, too few of them, or unlabelled samples that are not allowed.
        LeakageError: Held-out samples are also in training.
    """
    labels = dataset.labels if dataset.labels is not None else [None] * len(dataset)
    labelled = array_of(labels, is_present, bool)
    everything = np.arange(len(dataset))
    if not labelled.any():
        raise DataError(f"training needs labels; none of {len(dataset)} samples has one; name the column with label=")
    if dataset.splits is not None:
        train, validation, test = _given_splits(dataset, dataset.splits, labelled, leakage)
    else:
        held = np.zeros(len(dataset), dtype=bool)
        if test_fraction:
            held = hold_out(dataset.digests, labels, fraction=test_fraction, seed=seed, groups=dataset.groups)
        train, test, validation = everything[~held], everything[held & labelled], everything[:0]
    without_label = train[~labelled[train]]
    if len(without_label) and unlabelled == "error":
        raise DataError(
            f"with unlabelled='error' every training sample needs a label; {len(without_label)} have none, first "
            f"{dataset.ids[int(without_label[0])]!r}; label them, or choose unlabelled='use' or unlabelled='skip'"
        )
    if len(without_label) and unlabelled == "skip":
        train = train[labelled[train]]
    if len(validation):
        return Splits(*map(spilled, (train, train, validation, test)))
    held = hold_out(
        dataset.digests.take(train), taken(labels, train), fraction=validation_fraction, seed=seed + 1,
        groups=None if dataset.groups is None else taken(dataset.groups, train),
    )  # fmt: skip
    return Splits(*map(spilled, (train, train[~held], train[held & labelled[train]], test)))


def _given_splits(
    dataset: Dataset, splits: Sequence[str], labelled: NDArray[np.bool_], leakage: Literal["error", "drop"]
) -> tuple[Positions, Positions, Positions]:
    """The training, validation and test samples of a dataset that defines splits."""
    given = {name: array_of(splits, partial(eq, name), bool) for name in SPLITS}
    train, validation, test = (
        np.flatnonzero(given[name] if name == "train" else given[name] & labelled) for name in SPLITS
    )
    if not len(train):
        raise DataError(
            f"training needs training samples; none of the {len(splits)} samples has the split 'train'; check the "
            "split column"
        )
    validation = _without_leaks(dataset, validation, test, leakage, "test")
    train = _without_leaks(dataset, train, test, leakage, "test")
    return _without_leaks(dataset, train, validation, leakage, "validation"), validation, test


def _without_leaks(
    dataset: Dataset, train: Positions, held: Positions, leakage: Literal["error", "drop"], split: str
) -> Positions:
    if not len(held) or not len(train):
        return train
    digests, held_digests = dataset.digests.take(train), dataset.digests.take(held)
    groups = held_groups = None
    if dataset.groups is not None:
        groups, held_groups = taken(dataset.groups, train), taken(dataset.groups, held)
    leaks = contained(digests, held_digests)
    if groups is not None and held_groups is not None:
        leaks |= array_of(groups, is_present, bool) & contained(groups, held_groups)
    if not leaks.any():
        return train
    if leakage == "error":
        check_leakage(
            dataset.ids.take(train), digests, dataset.ids.take(held), held_digests, split=split, train_groups=groups,
            test_groups=held_groups,
        )  # fmt: skip
    log.warning("%d samples are also in the %s split and were dropped from training or validation", leaks.sum(), split)
    return train[~leaks]
