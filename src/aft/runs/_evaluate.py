"""Metrics of a run on a dataset."""

import csv
import logging
from collections import Counter
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from aft.data import Dataset, check_dataset
from aft.errors import DataError, RunError, UsageError, did_you_mean
from aft.evaluation import Metrics, measure
from aft.runs._layout import RunLayout
from aft.runs._model import load
from aft.runs._schema import RunConfig, SampleCounts

log = logging.getLogger("aft")

Subset = Literal["test", "validation", "train", "all"]


def evaluate(run: str | Path, dataset: Dataset, *, on: Subset = "test", device: str = "auto", **module: Any) -> Metrics:
    """Measure a run on labelled samples.

    A sample that the run trained or validated on never counts as a test sample, whatever the dataset says. Samples are recognised by
    content, not by id. Samples that the run has not seen are test samples unless the dataset says otherwise.

    Args:
        run: The run directory.
        dataset: The samples.
        on: The split to measure on: ``"test"``, ``"validation"``, ``"train"``, or ``"all"`` samples.
        device: ``"auto"``, or a device of torch's.
        **module: ``student``, ``preprocess`` and ``precision``, as for `aft.load`.

    Returns:
        The metrics.

    Raises:
        UsageError: An unknown split.
        DataError: No labelled sample in that split.
        RunError: There is no finished run, or its record of the splits is damaged.
    """
    model = load(run, device=device, **module)
    part = chosen_samples(run, dataset, on=on)
    _log_choice(RunLayout(Path(run)), model.config.data.counts, dataset, part, on)
    encoded, _ = model.targets.encode(part.labels or [], part.ids)
    return measure(model.targets, model.logits(part.inputs), encoded)


def chosen_samples(run: str | Path, dataset: Dataset, *, on: Subset = "test") -> Dataset:
    """The labelled samples of a split of a run.

    Args:
        run: The run directory.
        dataset: The samples.
        on: As for `evaluate`.

    Returns:
        Those of them that are in the split.

    Raises:
        UsageError: An unknown split.
        DataError: No labelled sample in that split.
        RunError: There is no finished run, or its record of the splits is damaged.
    """
    if on not in get_args(Subset):
        raise UsageError(f"unknown split on={on!r}{did_you_mean(on, get_args(Subset))}")
    check_dataset(dataset)
    layout = RunLayout(Path(run))
    dataset = dataset.verified()
    rows = _read_splits(layout, RunConfig.read(layout.config).data.counts)
    recorded = {row["digest"]: row["split"] for row in rows}
    given = dataset.splits if dataset.splits is not None else ["test"] * len(dataset)
    splits = [recorded.get(digest, split) for digest, split in zip(dataset.digests, given, strict=True)]
    labels = dataset.labels if dataset.labels is not None else [None] * len(dataset)
    chosen = [i for i, split in enumerate(splits) if labels[i] is not None and on in ("all", split)]
    if not chosen:
        raise DataError(
            f"metrics need labelled samples; received none in the {on} split; name the column of labels with label=, or choose another on="
        )
    return dataset.subset(np.array(chosen))


def _log_choice(layout: RunLayout, counts: SampleCounts, dataset: Dataset, chosen: Dataset, on: Subset) -> None:
    """Say how many samples do not count, and whether the run has seen those that do."""
    left_out = sum(label is not None for label in dataset.labels or []) - len(chosen)
    if on == "test" and left_out:
        log.info("%d samples are left out, since the run was trained or validated on them", left_out)
    trained = {row["digest"] for row in _read_splits(layout, counts) if row["trained"] == "yes"}
    seen = sum(digest in trained for digest in chosen.digests)
    if seen:
        log.warning(
            "the run was trained on %d of these %d samples: the metrics do not tell how it does on new ones",
            seen,
            len(chosen),
        )


def _read_splits(layout: RunLayout, counts: SampleCounts) -> list[dict[str, str]]:
    """The rows of ``splits.csv``. If some were lost, training samples would be taken for new ones."""
    try:
        with layout.splits.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        found = Counter(row["split"] for row in rows), sum(row["trained"] == "yes" for row in rows)
        lengths = {len(row["digest"]) for row in rows}
    except (OSError, KeyError, TypeError, UnicodeDecodeError):
        found, lengths = (Counter(), 0), set()
    expected = (counts.validation, counts.test, counts.labelled + counts.unlabelled)
    if (found[0]["validation"], found[0]["test"], found[1]) != expected or len(lengths) != 1:
        raise RunError(
            f"a run records the split of every sample; {str(layout.splits)!r} is not what was written to it; restore it from a "
            "copy or train again"
        )
    return rows
