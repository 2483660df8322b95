"""Metrics of a run on a dataset."""

import csv
import logging
from pathlib import Path
from typing import Any

import numpy as np

from aft.data import Dataset
from aft.runs._model import load
from aft.errors import DataError
from aft.evaluation import Metrics, measure
from aft.training import RunLayout

log = logging.getLogger("aft")


def evaluate(
    run: str | Path, dataset: Dataset, *, split: str | None = "test", device: str = "cpu", **module: Any
) -> Metrics:
    """Measure a run on labelled samples; ``split="test"`` leaves out all that it was trained on.

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
    dataset = dataset.verified()
    layout = RunLayout(Path(run))
    with layout.splits.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    # By content: the same sample may come back under another id, and another one under the same.
    recorded = {row["digest"]: row["split"] for row in rows}
    parts = [recorded.get(digest, "test") for digest in dataset.digests]
    if dataset.splits is not None:
        # A sample that was trained on is no test sample, whatever the table says now.
        parts = [recorded.get(d, given) for d, given in zip(dataset.digests, dataset.splits, strict=True)]
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
    trained = {row["digest"] for row in rows if row["trained"] == "yes"}
    inside = sum(dataset.digests[i] in trained for i in chosen)
    if inside:
        log.warning("%d of these %d samples were trained on: this is no measure of new ones", inside, len(chosen))
    part = dataset.subset(np.array(chosen))
    encoded, _ = model.targets.encode(part.labels or [], part.ids)
    return measure(model.targets, model.logits(part.inputs), encoded)
