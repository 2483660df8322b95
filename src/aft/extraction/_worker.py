"""Compute shards, in one process or in any of several that share a file system."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from aft.core import Progress
from aft.data import Dataset, Positions
from aft.errors import DataError, name_some
from aft.extraction._compute import NetworkGroup, compute_features, group_by_network
from aft.extraction._settings import Settings
from aft.extraction._teacher import TeacherRun, load_teachers
from aft.features import Sample, StoreWriter
from aft.models import choose_device


@dataclass(frozen=True)
class ShardTask:
    """Shards of several teachers over the same samples, computed together so that each sample is read once.

    Attributes:
        shards: Pairs of the number of a teacher and the number of its shard.
        samples: Number of samples.
    """

    shards: tuple[tuple[int, int], ...]
    samples: int

    @property
    def vectors(self) -> int:
        """Number of feature vectors."""
        return self.samples * len(self.shards)


class Worker:
    """Loaded teachers over a dataset, and the writers of their stores. It computes and commits any of their shards.

    One process calls `plan`; the others call `resume` after that.

    Args:
        dataset: Samples whose inputs have been verified.
        positions: Where each id is among them.
        teachers: Models by the name of the teacher.
        out: Directory of stores.
        settings: How to run the teachers.

    Attributes:
        teachers: The loaded teachers.
        writers: The writer of each teacher's store.
    """

    def __init__(
        self,
        dataset: Dataset,
        positions: Positions,
        teachers: Mapping[str, str | nn.Module],
        out: str | Path,
        settings: Settings,
    ) -> None:
        device = choose_device(settings.device)
        backbones = load_teachers(dataset, teachers, settings)
        self.teachers = [
            TeacherRun(dataset, backbone, name, out, settings, device) for name, backbone in backbones.items()
        ]
        self.writers: list[StoreWriter] = []
        self._dataset, self._positions = dataset, positions
        self._groups: dict[tuple[int, ...], list[NetworkGroup]] = {}

    @classmethod
    def resumed(cls, *arguments: Any) -> "Worker":
        """A worker that resumes at once: another process has planned.

        Args:
            *arguments: Those of the class.
        """
        worker = cls(*arguments)
        worker.resume()
        return worker

    def plan(self, shard_rows: int | None, *, overwrite: bool) -> None:
        """Plan the stores.

        Args:
            shard_rows: Rows per new shard, or None for the default.
            overwrite: Replace existing stores of other features.
        """
        self.writers = [teacher.plan(shard_rows, overwrite) for teacher in self.teachers]

    def resume(self) -> None:
        """Take over the plans of another process."""
        self.writers = [teacher.resume() for teacher in self.teachers]

    def pending(self) -> list[ShardTask]:
        """Tasks for all shards that are planned but not committed."""
        shards: dict[str, list[tuple[int, int]]] = {}
        for number, writer in enumerate(self.writers):
            for shard in writer.pending():
                shards.setdefault(writer.ids_digest(shard), []).append((number, shard))
        return [ShardTask(tuple(each), self.writers[each[0][0]].rows(each[0][1])) for each in shards.values()]

    def _indices(self, samples: Sequence[Sample]) -> list[int]:
        """Positions of planned samples in the dataset."""
        indices: list[int] = self._positions.find(sample.id for sample in samples).tolist()
        digests = self._dataset.digests
        other = [
            sample.id
            for sample, index in zip(samples, indices, strict=True)
            if index < 0 or digests[index] != sample.digest
        ]
        if other:
            raise DataError(
                f"all processes read the samples that one has planned; received {name_some(other)} with another input or without one; "
                "give all machines the same data"
            )
        return indices

    def refresh(self) -> None:
        """Look for shards that other machines have committed."""
        for writer in self.writers:
            writer.refresh()

    def compute(self, task: ShardTask, progress: Progress | None = None) -> list[int]:
        """Compute the shards of a task and commit them.

        Args:
            task: One of `pending`.
            progress: Counts the vectors that are computed.

        Returns:
            For each teacher, how many inputs were longer than its limit and were truncated.

        Raises:
            DataError: The samples of a task are not those that were planned: another machine has read other data.
        """
        numbers = tuple(number for number, _ in task.shards)
        if numbers not in self._groups:
            self._groups[numbers] = group_by_network([self.teachers[number] for number in numbers])
        first, shard = task.shards[0]
        before = [teacher.truncated for teacher in self.teachers]
        indices = self._indices(self.writers[first].samples(shard))
        features = compute_features(self._groups[numbers], indices, progress)
        for number, shard in task.shards:
            self.writers[number].commit(shard, features[self.teachers[number].name])
        return [teacher.truncated - earlier for teacher, earlier in zip(self.teachers, before, strict=True)]
