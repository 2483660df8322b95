"""Which teacher to take, from features alone, before any training.

It lives beside training because it cuts the data as training does: what it chooses on is what training chooses on.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from aft.data import Dataset, Targets, make_splits
from aft.errors import UsageError
from aft.features import FeatureStore, open_stores
from aft.probing._teachers import logme, probe_error


@dataclass(frozen=True)
class TeacherRank:
    """What a teacher's features say about a task.

    Attributes:
        name: The teacher's; those of several together are joined by " + ".
        dim: Width of the features.
        probe_error: Error of a linear probe on the validation part.
        logme: Log evidence a sample on what the probe was fitted on; higher is better.
        seconds: What finding both took.
        error_name: What the error is: as in `aft.Metrics`.
        samples: How many validation samples it was measured on.
    """

    name: str
    dim: int
    probe_error: float
    logme: float
    seconds: float
    error_name: str
    samples: int

    def __str__(self) -> str:
        return f"{self.name} ({self.dim}): probe {self.error_name} {self.probe_error:.4f} on {self.samples} validation samples, LogME {self.logme:.4f}"


def rank(
    dataset: Dataset,
    features: Sequence[FeatureStore | str | Path] | FeatureStore | str | Path,
    *,
    task: Literal["auto", "classification", "multilabel", "regression"] = "auto",
    split_seed: int = 0,
    test_fraction: float = 0.2,
    validation_fraction: float = 0.2,
    leakage: Literal["error", "drop"] = "error",
) -> list[TeacherRank]:
    """Order teachers by what a linear probe reads from their features, and tell their LogME.

    The data is cut as `aft.train` cuts it. Probes and LogME are fitted on the part that the search for a strength trains on, and
    probes are measured on its validation part. Samples of the test part are never read: its labels can only stratify
    the cut, where the dataset brings no split of its own.

    Args:
        dataset: The samples; those without a label play no part.
        features: Feature stores of the teachers, or their folders. Every labelled training sample must be in each.
        task: The task, or ``"auto"`` to infer it from the labels.
        split_seed: Of the parts that are held out.
        test_fraction: Share of the labelled samples to leave out, where no split is given; 0 for none.
        validation_fraction: Share of the labelled training samples to measure on.
        leakage: What to do with training samples that are also held out.

    Returns:
        The teachers, lowest probe error first; where there are several, also all of them together.

    Raises:
        UsageError: No teacher, or two of the same name.
        DataError: Labels or splits that cannot be used.
        UnknownIdError: A store lacks samples.
        FingerprintError: Inputs changed since their features were extracted.

    Example:
        >>> best = aft.rank(dataset, features=["features/dinov2", "features/clip"])[0]
        >>> best.name, best.probe_error
        ('dinov2', 0.081)
    """
    stores = open_stores(features)
    if not stores:
        raise UsageError("ranking needs teachers' features; received none; name a store with --features")
    dataset = dataset.verified()
    parts = make_splits(
        dataset, validation_fraction=validation_fraction, test_fraction=test_fraction, seed=split_seed, unlabelled="skip",
        leakage=leakage,
    )  # fmt: skip
    labels = dataset.labels or []
    if task == "auto" and dataset.source.get("labels") == "folders":
        task = "classification"
    targets = Targets.infer([labels[i] for i in parts.train.tolist()], task)

    def part(members: NDArray[np.int64]) -> tuple[list[str], NDArray[np.generic]]:
        chosen = dataset.subset(members)
        for store in stores:
            store.rows(chosen.ids, chosen.digests)  # that they are there, and of these inputs
        return chosen.ids, targets.encode(chosen.labels or [], chosen.ids)[0]

    inner, validation = part(parts.search_train), part(parts.validation)
    rows = []
    for group in [*([store] for store in stores), *([stores] if len(stores) > 1 else [])]:
        start = time.perf_counter()
        metrics, score = probe_error(group, targets, inner, validation), logme(group, targets, inner)
        name, dim = " + ".join(store.name for store in group), sum(store.dim for store in group)
        seconds = round(time.perf_counter() - start, 3)
        rows.append(TeacherRank(name, dim, metrics.error, score, seconds, metrics.error_name, metrics.samples))
    # Of equal errors, a single teacher is cheaper than all of them.
    return sorted(rows, key=lambda row: (row.probe_error, row.dim))
