"""Computing shards: in one process, or in any of many that share a file system."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import nn

from aft.data import Dataset
from aft.extraction._teacher import Group, Job, Settings, compute, group, load_teachers
from aft.features import StoreWriter
from aft.models import choose_device
from aft.core import Progress


@dataclass(frozen=True)
class Unit:
    """Shards of several teachers over the same samples, computed together so that each sample is read once.

    Attributes:
        shards: Numbers of teachers, and of the shard of each.
        vectors: How many features that is.
    """

    shards: tuple[tuple[int, int], ...]
    vectors: int


class Worker:
    """Loaded teachers over a dataset, with the plans of their stores: computes and commits any shard of them.

    Args:
        dataset: Samples that can be read.
        teachers: By name.
        out: Folder of stores.
        settings: How to run them.
        shard_rows: Rows of a shard that is not planned yet.
        overwrite: Replace stores of something else.
    """

    def __init__(
        self,
        dataset: Dataset,
        teachers: Mapping[str, str | nn.Module],
        out: str | Path,
        settings: Settings,
        shard_rows: int | None = None,
        overwrite: bool = False,
    ) -> None:
        device = choose_device(settings.device)
        backbones = load_teachers(dataset, teachers, settings)
        self.jobs = [Job(dataset, backbone, name, out, settings, device) for name, backbone in backbones.items()]
        self.writers: list[StoreWriter] = [job.plan(shard_rows, overwrite) for job in self.jobs]
        self._position = {sample_id: index for index, sample_id in enumerate(dataset.ids)}
        self._groups: dict[tuple[int, ...], list[Group]] = {}

    def pending(self) -> list[Unit]:
        """What is planned and not committed."""
        found: dict[tuple[str, ...], list[tuple[int, int]]] = {}
        for number, writer in enumerate(self.writers):
            for shard in writer.pending():
                found.setdefault(tuple(sample.id for sample in writer.samples(shard)), []).append((number, shard))
        return [Unit(tuple(shards), len(ids) * len(shards)) for ids, shards in found.items()]

    def refresh(self) -> None:
        """See what other machines have committed."""
        for writer in self.writers:
            writer.refresh()

    def work(self, unit: Unit, bar: Progress | None = None) -> list[int]:
        """Compute a unit and commit its shards.

        Args:
            unit: One of `pending`.
            bar: Told of each vector.

        Returns:
            For each teacher, how many inputs were longer than its limit and were cut.
        """
        numbers = tuple(number for number, _ in unit.shards)
        if numbers not in self._groups:
            self._groups[numbers] = group([self.jobs[number] for number in numbers])
        first, shard = unit.shards[0]
        ids = [sample.id for sample in self.writers[first].samples(shard)]
        before = [job.cut for job in self.jobs]
        features = compute(self._groups[numbers], [self._position[sample_id] for sample_id in ids], bar)
        for number, shard in unit.shards:
            self.writers[number].commit(shard, features[self.jobs[number].name])
        return [job.cut - earlier for job, earlier in zip(self.jobs, before, strict=True)]
