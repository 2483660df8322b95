"""Metrics of a run on a dataset."""

import csv
import logging
from pathlib import Path
from typing import Any

import numpy as np

from aft.data import Dataset
from aft.deploy._model import load
from aft.errors import DataError
from aft.evaluation import Metrics, measure
from aft.training import RunLayout

log = logging.getLogger("aft")


def evaluate(
    run: str | Path, dataset: Dataset, *, split: str | None = "test", device: str = "cpu", **module: Any
) -> Metrics:
    """Measure a run on labelled samples that it was not trained on.

    Args:
        run: The run folder.
        dataset: The samples.
        split: Which part: ``test``, ``validation``, ``train``; None for all samples. Without a split in the dataset, the parts
            are those that the run recorded; samples that the run never saw count as test.
        device: Where to run it.
        **module: ``student`` and ``preprocess``, for a run that trained a module handed in.

    Returns:
        The metrics.

    Raises:
        DataError: No labelled sample in that part.
        RunError: There is no finished run.
    """
    model = load(run, device=device, **module)
    layout = RunLayout(Path(run))
    with layout.splits.open(encoding="utf-8", newline="") as file:
        recorded = {row["id"]: row["split"] for row in csv.DictReader(file)}
    parts = [recorded.get(sample_id, "test") for sample_id in dataset.ids]
    if dataset.splits is not None:
        # A sample that was trained on is no test sample, whatever the table says now.
        parts = [recorded.get(i, given) for i, given in zip(dataset.ids, dataset.splits, strict=True)]
    labels = dataset.labels if dataset.labels is not None else [None] * len(dataset)
    chosen = [i for i, part in enumerate(parts) if labels[i] is not None and split in (None, part)]
    if not chosen:
        raise DataError(
            f"metrics need labelled samples of the {split} part; received none; name the column with --label, or another --part"
        )
    if split == "test" and len(chosen) < sum(label is not None for label in labels):
        log.info(
            "%d samples that the run was trained on, or chosen by, are left out",
            sum(label is not None for label in labels) - len(chosen),
        )
    part = dataset.subset(np.array(chosen))
    encoded, _ = model.targets.encode(part.labels or [], part.ids)
    return measure(model.targets, model.logits(part.inputs), encoded)
