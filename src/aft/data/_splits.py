"""The train, validation and test splits of a dataset."""

import csv
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from aft.data import Dataset, check_leakage, hold_out
from aft.errors import DataError, LeakageError

log = logging.getLogger("aft")


@dataclass(frozen=True)
class Splits:
    """Which samples are for what.

    Attributes:
        train: Everything to train on in the end, labelled or not; ``(n,)`` positions in the dataset.
        search_train: What the search for a strength trains on.
        validation: What it chooses on; labelled.
        test: What is measured in the end; labelled; may be empty.
    """

    train: NDArray[np.int64]
    search_train: NDArray[np.int64]
    validation: NDArray[np.int64]
    test: NDArray[np.int64]

    def write(self, path: Path, dataset: Dataset) -> None:
        """Keep them in a run: id, part, digest of the input, and whether it was trained on in the end."""
        held, trained = set(self.validation.tolist()), set(self.train.tolist())
        rows = [
            (dataset.ids[i], part, dataset.digests[i], "yes" if i in trained else "no")
            for part, members in (
                ("train", [i for i in self.train.tolist() if i not in held]),
                ("validation", self.validation.tolist()),
                ("test", self.test.tolist()),
            )
            for i in members
        ]
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerows([("id", "split", "digest", "trained"), *rows])


def make_splits(
    dataset: Dataset,
    *,
    validation_fraction: float,
    test_fraction: float,
    seed: int,
    unlabelled: Literal["use", "skip", "error"],
    leakage: Literal["error", "drop"],
) -> Splits:
    """Cut a dataset.

    A given split is kept: its test part is the test part, its validation part is chosen on and never trained on. What is not
    given is cut from training, stratified, by groups, with equal inputs on one side.

    Args:
        dataset: The samples, verified.
        validation_fraction: Share of the labelled training samples to choose on.
        test_fraction: Share of the labelled samples to measure on, where no split is given; 0 for none.
        seed: Of the cuts.
        unlabelled: What to do with training samples without a label.
        leakage: What to do with training samples that are also held out.

    Returns:
        The parts.

    Raises:
        DataError: No labels, samples without a label that may not be, or too few of them.
        LeakageError: Held-out samples in training.
    """
    labels = dataset.labels if dataset.labels is not None else [None] * len(dataset)
    has = np.array([label is not None for label in labels])
    everything = np.arange(len(dataset))
    if not has.any():
        raise DataError(f"training needs labels; none of {len(dataset)} samples has one; name the column with --label")
    if dataset.splits is not None:
        given = np.array(dataset.splits)
        train, test = everything[given == "train"], everything[(given == "test") & has]
        validation = everything[(given == "validation") & has]
        if not len(train):
            raise DataError(
                f"training needs training samples; the given split has none among {len(given)}; check the split column"
            )
        validation = _without_leaks(dataset, validation, test, leakage, "test")
        train = _without_leaks(dataset, train, test, leakage, "test")
        train = _without_leaks(dataset, train, validation, leakage, "validation")
    else:
        held = np.zeros(len(dataset), dtype=bool)
        if test_fraction:
            held = hold_out(dataset.digests, labels, fraction=test_fraction, seed=seed, groups=dataset.groups)
        train, test, validation = everything[~held], everything[held & has], everything[:0]
    bare = train[~has[train]]
    if len(bare) and unlabelled == "error":
        raise DataError(
            f"with --unlabelled error every training sample needs a label; {len(bare)} have none, first {dataset.ids[int(bare[0])]!r}; "
            "label them, or use --unlabelled use or skip"
        )
    if len(bare) and unlabelled == "skip":
        train = train[has[train]]
    if len(validation):
        return Splits(train, train, validation, test)
    part = dataset.subset(train)
    held = hold_out(part.digests, part.labels or [], fraction=validation_fraction, seed=seed + 1, groups=part.groups)
    return Splits(train, train[~held], train[held & has[train]], test)


def _without_leaks(
    dataset: Dataset, train: NDArray[np.int64], held: NDArray[np.int64], leakage: Literal["error", "drop"], what: str
) -> NDArray[np.int64]:
    if not len(held) or not len(train):
        return train
    ids, digests, groups = dataset.ids, dataset.digests, dataset.groups

    def column(values: Sequence[Any], part: NDArray[np.int64]) -> list[Any]:
        return [values[i] for i in part.tolist()]

    try:
        check_leakage(
            column(ids, train), column(digests, train), column(ids, held), column(digests, held), what=what,
            train_groups=None if groups is None else column(groups, train),
            test_groups=None if groups is None else column(groups, held),
        )  # fmt: skip
    except LeakageError:
        if leakage == "error":
            raise
        contents = set(column(digests, held))
        shared = set() if groups is None else set(column(groups, held)) - {None}
        keep = [i for i in train.tolist() if digests[i] not in contents and (groups is None or groups[i] not in shared)]
        log.warning(
            "%d samples are also in the %s part and were dropped from training or validation",
            len(train) - len(keep),
            what,
        )
        return np.array(keep, dtype=np.int64)
    return train
