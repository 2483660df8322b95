"""Rank teachers for a task from their features alone, before any training."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from aft.baselines import tfidf_error
from aft.data import Dataset, TaskName, infer_targets, is_text, make_splits
from aft.errors import UsageError
from aft.features import FeatureStore, open_stores
from aft.probing._teachers import logme, probe_error


@dataclass(frozen=True)
class TeacherRank:
    """How well a task can be read from the features of a teacher, or of all teachers together.

    Attributes:
        name: The name of the teacher. Names of several teachers are joined by " + ".
        dim: Width of the features.
        probe_error: Error of a linear probe on the validation split.
        logme: Log evidence per sample on the probe's training samples; higher is better.
        seconds: Time to compute both.
        error_name: The kind of error, as in `aft.Metrics`.
        samples: Number of validation samples.
        tfidf_error: For texts, the error of TF-IDF with a linear model on the same samples, which needs no teacher.
    """

    name: str
    dim: int
    probe_error: float
    logme: float
    seconds: float
    error_name: str
    samples: int
    tfidf_error: float | None = None

    def __str__(self) -> str:
        return (
            f"{self.name} ({self.dim}): probe {self.error_name} {self.probe_error:.4f} "
            f"on {self.samples} validation samples, LogME {self.logme:.4f}"
        )


def rank(
    dataset: Dataset,
    features: Sequence[FeatureStore | str | Path] | FeatureStore | str | Path,
    *,
    task: TaskName | Literal["auto"] = "auto",
    order: Sequence[str] | None = None,
    split_seed: int = 0,
    test_fraction: float = 0.2,
    validation_fraction: float = 0.2,
    leakage: Literal["error", "drop"] = "error",
) -> list[TeacherRank]:
    """Rank teachers by the error of a linear probe on their features; LogME is reported as well.

    The dataset is split as `aft.train` splits it. Probes and LogME are fitted on the samples that `aft.train`
    uses for its search, and probes are evaluated on its validation split. Test samples are not used; their
    labels only stratify the splits, and only if the dataset has no splits of its own.

    Args:
        dataset: The samples; unlabelled samples are ignored.
        features: Feature stores of the teachers, or their directories. Each must contain every labelled
            training sample.
        task: The task, or ``"auto"`` to infer it from the labels.
        order: Classes of an ordinal task from the lowest to the highest.
        split_seed: Random seed of the train/validation/test split.
        test_fraction: Fraction of the labelled samples to hold out for testing if the dataset has no splits;
            0 for none.
        validation_fraction: Fraction of the labelled training samples to evaluate probes on.
        leakage: What to do if a training sample is also held out: ``"error"`` raises, ``"drop"`` removes it
            from training.

    Returns:
        The teachers, sorted by probe error in ascending order. If there are several, the list also includes
        all of them together.

    Raises:
        UsageError: There is no teacher, or two teachers have the same name.
        DataError: The labels or splits are unusable.
        UnknownIdError: A store lacks samples.
        FingerprintError: An input has changed since its features were extracted.

    Example:
        >>> best = aft.rank(dataset, features=["features/dinov2", "features/clip"])[0]
        >>> best.name, best.probe_error
        ('dinov2', 0.081)
    """
    stores = open_stores(features)
    if not stores:
        raise UsageError(
            "ranking needs the features of at least one teacher; received none; name a store with features="
        )
    dataset = dataset.verified()
    splits = make_splits(
        dataset, validation_fraction=validation_fraction, test_fraction=test_fraction, seed=split_seed, unlabelled="skip",
        leakage=leakage,
    )  # fmt: skip
    targets = infer_targets(dataset, splits.train, task, order)

    def ids_and_labels(positions: NDArray[np.int64]) -> tuple[Sequence[str], NDArray[np.generic]]:
        samples = dataset.subset(positions)
        for store in stores:
            store.rows(samples.ids, samples.digests)  # raises if a sample is missing or its input has changed
        return samples.ids, targets.encode(samples.labels or [], samples.ids)[0]

    train, validation = ids_and_labels(splits.search_train), ids_and_labels(splits.validation)
    tfidf = None
    if is_text(dataset.modality):
        texts = [
            ([dataset.inputs[i] for i in part.tolist()], encoded)
            for part, (_, encoded) in ((splits.search_train, train), (splits.validation, validation))
        ]
        tfidf = tfidf_error(targets, *texts)
    rows = []
    for group in [*([store] for store in stores), *([stores] if len(stores) > 1 else [])]:
        start = time.perf_counter()
        metrics, score = probe_error(group, targets, train, validation), logme(group, targets, train)
        name, dim = " + ".join(store.name for store in group), sum(store.dim for store in group)
        seconds = round(time.perf_counter() - start, 3)
        rows.append(TeacherRank(name, dim, metrics.error, score, seconds, metrics.error_name, metrics.samples, tfidf))
    # If errors are equal, the narrower features come first: a single teacher is cheaper than all of them.
    return sorted(rows, key=lambda row: (row.probe_error, row.dim))
