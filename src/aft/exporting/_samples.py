"""The samples that an exported model is checked on."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aft.data import Dataset, Targets, labelled_samples
from aft.errors import DataError, UsageError
from aft.evaluation import measure
from aft.runs import RunConfig, chosen_samples, open_inputs

#: Samples that are compared at most, and those that ranges of activations are measured on.
MOST, CALIBRATED = 2000, 128


@dataclass(frozen=True)
class Samples:
    """Samples of the task.

    Attributes:
        run: The run directory.
        data: All samples.
        chosen: Those to compare on.
        split: Which these are: ``"test"``, or ``"all"`` where there is no test split.
    """

    run: str | Path
    data: Dataset
    chosen: Dataset
    split: str

    @cached_property
    def inputs(self) -> list[Any]:
        """The inputs to compare on."""
        return [self.chosen.inputs[place] for place in range(len(self.chosen))]

    def spread(self, count: int) -> list[Any]:
        """A few of them, evenly spread."""
        return [self.inputs[place] for place in _spread(len(self.inputs), count)]

    def calibration(self) -> Sequence[Any]:
        """Inputs to measure ranges on: training samples where there are some, since the error is that of test samples."""
        try:
            trained = chosen_samples(self.run, self.data, on="train")
        except DataError:
            return self.spread(CALIBRATED)
        return [trained.inputs[place] for place in _spread(len(trained), CALIBRATED)]

    def error(self, targets: Targets, logits: NDArray[Any]) -> float | None:
        """The error of some outputs on the labelled samples; None without any."""
        known, encoded = labelled_samples(self.chosen, targets, range(len(self.chosen.labels or [])))
        return measure(targets, logits[known], encoded).error if known else None


def open_samples(run: str | Path, config: RunConfig, data: Dataset | str | Path | None) -> Samples:
    """Open the samples to check a run on.

    Args:
        run: The run directory.
        config: Its config.
        data: The samples, or where they are; by default those that the run was trained on.

    Returns:
        The samples, of which those of the test split are chosen where there are some.

    Raises:
        DataError: There are none that can be read.
    """
    opened = _open(run, config, data)
    try:
        chosen, split = chosen_samples(run, opened), "test"
    except DataError:  # none of them has a label, or is in the test split
        chosen, split = opened, "all"
    if not len(chosen):
        raise DataError(
            "an export is checked on samples of the task; received none that can be read; name others with data="
        )
    return Samples(run, opened, chosen.subset(np.array(_spread(len(chosen), MOST))), split)


def _open(run: str | Path, config: RunConfig, data: Dataset | str | Path | None) -> Dataset:
    """The samples that can be read."""
    roles = dict.fromkeys(("text", "text_pair", "image", "image_root", "label", "id", "split"))
    if isinstance(data, Dataset):
        return data.verified("skip")
    try:
        path = config.data.path if data is None else data
        # Samples that cannot be read were skipped in the training, too, or would have stopped it.
        return open_inputs(run, path, roles, bad_inputs="skip").verified("skip")
    except (DataError, UsageError) as error:
        if data is not None:
            raise
        raise DataError(
            f"an export is checked on samples of the task; those that the run was trained on cannot be read ({error}); name others "
            "with data="
        ) from error


def batches(inputs: Sequence[Any], size: int = 64) -> Iterator[Sequence[Any]]:
    """Divide inputs into batches."""
    return (inputs[start : start + size] for start in range(0, len(inputs), size))


def _spread(count: int, most: int) -> list[int]:
    """Positions of at most so many samples, evenly spread."""
    places: list[int] = np.unique(np.linspace(0, count - 1, min(most, count)).astype(int)).tolist()
    return places
