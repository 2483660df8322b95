"""The task of a dataset, from its labels."""

import logging
from collections.abc import Iterable, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from aft.data._column import taken
from aft.data._dataset import Dataset
from aft.data._label_warnings import label_warnings
from aft.data._repeated import counted
from aft.data._targets import Targets, TaskName, guess_task
from aft.errors import DataError, name_some

log = logging.getLogger("aft")


def infer_targets(
    dataset: Dataset,
    positions: Iterable[int] | NDArray[np.int64],
    task: TaskName | Literal["auto"] = "auto",
    order: Sequence[str] | None = None,
) -> Targets:
    """Infer the task of a dataset from the labels of some of its samples.

    Args:
        dataset: The samples.
        positions: Positions of the training samples. Labels of other samples are not used.
        task: The task, or ``"auto"``; see `Targets.infer`.
        order: Classes of an ordinal task from the lowest to the highest.

    Returns:
        The targets.

    Raises:
        UsageError: The task is unknown.
        DataError: The labels do not fit the task.
    """
    if task == "auto" and not order and dataset.source.get("labels") == "folders":
        task = "classification"  # folders named 000 to 101 are classes, not numbers
    every = dataset.labels or []
    labels = taken(every, positions if isinstance(positions, np.ndarray) else list(positions))
    kind = task
    if task == "auto" and not order and any(label is not None for label, _ in counted(labels)):
        # Missing labels anywhere in a column widen its integers, not only those in training.
        kind = guess_task(labels, complete=all(label is not None for label, _ in counted(every)))
    targets = Targets.infer(labels, kind, order)
    labelled = sum(count for label, count in counted(labels) if label is not None)
    if task == "auto" and targets.kind == "classification" and len(targets.classes) > max(20, 0.9 * labelled):
        raise DataError(
            f"classification needs several samples per class; received {len(targets.classes)} classes for {labelled} "
            f"labels, such as {name_some(targets.classes)}; choose another column with label=, or set task='regression' (for "
            "numbers with a decimal point) or task='classification'"
        )
    for warning in label_warnings(targets):
        log.warning("%s", warning)
    return targets
