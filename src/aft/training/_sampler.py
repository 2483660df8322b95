"""Which samples each step sees: a function of the seed and the step alone, so that a resumed training sees the same."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from aft.data import spilled

Stream = tuple[NDArray[np.int64], int]

#: The smallest share of labelled samples in a batch.
LABELLED_SHARE = 0.25


class Step(NamedTuple):
    """What one step trains on.

    Attributes:
        positions: Positions of the samples, B of them.
        seed: Seed and number of the step: views and augmentation are functions of these and the place in the batch.
    """

    positions: list[int]
    seed: tuple[int, int]


class BatchSchedule:
    """Batches from one or more streams of samples. Each stream is reshuffled whenever it has been exhausted.

    Labelled and unlabelled samples are separate streams, so that every batch has both.

    Args:
        streams: For each stream the positions of its samples, and how many of them a batch takes.
        seed: Random seed for the shuffling.

    Attributes:
        seed: The random seed.
    """

    def __init__(self, streams: Sequence[Stream], seed: int) -> None:
        self._streams = [
            (np.asarray(positions, dtype=np.int64), count) for positions, count in streams if len(positions) and count
        ]
        self.seed = seed
        self._orders: dict[tuple[int, int], NDArray[np.int64]] = {}

    def batch(self, step: int) -> NDArray[np.int64]:
        """Positions of the samples of a step, ``(B,)``."""
        return np.concatenate([self._take(number, step) for number in range(len(self._streams))])

    def _take(self, number: int, step: int) -> NDArray[np.int64]:
        positions, count = self._streams[number]
        places = np.arange(step * count, (step + 1) * count)
        epochs = places // len(positions)
        return np.concatenate(
            [self._order(number, int(e))[places[epochs == e] % len(positions)] for e in np.unique(epochs)]
        )

    def _order(self, number: int, epoch: int) -> NDArray[np.int64]:
        key = (number, epoch)
        if key not in self._orders:
            if len(self._orders) > 8:
                self._orders.clear()
            generator = np.random.default_rng([self.seed, number, epoch])
            self._orders[key] = spilled(generator.permutation(self._streams[number][0]))
        return self._orders[key]


class StepSampler:
    """A sampler that yields all steps from a given one on, endlessly.

    Attributes:
        start: The first step.
    """

    def __init__(self, schedule: BatchSchedule, start: int = 0) -> None:
        self._schedule = schedule
        self.start = start

    def __iter__(self) -> Iterator[Step]:
        number = self.start
        while True:
            yield Step(self._schedule.batch(number).tolist(), (self._schedule.seed, number))
            number += 1


def batch_positions(samples: int, batch_size: int, *, steps: int, seed: int = 0) -> Iterator[list[int]]:
    """Say which samples each step sees, as in `aft.train` where all samples have a label.

    Args:
        samples: Number of samples.
        batch_size: Samples per step.
        steps: Number of steps.
        seed: Random seed; samples are shuffled again whenever all have been seen.

    Yields:
        Positions of the samples of a step, from 0 on.

    Example:
        >>> next(batch_positions(1000, 4, steps=500))
        [813, 45, 602, 18]
    """
    schedule = BatchSchedule([(np.arange(samples), batch_size)], seed)
    for step in range(steps):
        yield schedule.batch(step).tolist()


def make_streams(positions: NDArray[np.int64], labelled: NDArray[np.bool_], batch_size: int) -> list[Stream]:
    """Compose batches of labelled and unlabelled samples: as in the data, but at least a quarter of them labelled.

    Args:
        positions: Positions of the samples to train on.
        labelled: Which of all samples have a label, ``(N,)``.
        batch_size: B.

    Returns:
        Streams for `BatchSchedule`.
    """
    with_label, without = positions[labelled[positions]], positions[~labelled[positions]]
    if not len(without):
        return [(with_label, batch_size)]
    share = max(LABELLED_SHARE, len(with_label) / len(positions))
    count = min(batch_size - 1, max(1, round(batch_size * share))) if batch_size > 1 else 1
    return [(with_label, count), (without, batch_size - count)]


def steps_per_epoch(samples: int, batch_size: int) -> float:
    """Steps in which as many samples are seen as there are."""
    return samples / min(samples, batch_size)
