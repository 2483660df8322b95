"""The samples of a dataset that have a label."""

from collections.abc import Iterable
from typing import Any

from numpy.typing import NDArray

from aft.data._dataset import Dataset
from aft.data._targets import Targets


def labelled_samples(dataset: Dataset, targets: Targets, positions: Iterable[int]) -> tuple[list[int], NDArray[Any]]:
    """Select the samples that have a label.

    Args:
        dataset: The samples.
        targets: The task.
        positions: Positions of the samples to select from.

    Returns:
        Positions of those with a label, and their encoded labels, ``(n,)`` or ``(n, C)``.

    Raises:
        DataError: A label does not fit the task.
    """
    labels = dataset.labels or []
    known = [position for position in positions if labels[position] is not None]
    return known, targets.encode([labels[i] for i in known], [dataset.ids[i] for i in known])[0]
