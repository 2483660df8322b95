"""Compute features by several teachers at once: each sample is read once, and a shared network runs once."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from aft.core import Progress, one_ahead, side_by_side
from aft.data import digest_of
from aft.extraction._teacher import TeacherRun
from aft.models import explain_out_of_memory

_TYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


class _CachedForward:
    """Replaces the forward method of a network that several teachers read, so that it runs once per batch."""

    def __init__(self, network: nn.Module) -> None:
        self._forward = network.forward
        self._output: Any = None
        network.forward = self

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self._output is None:
            self._output = self._forward(*args, **kwargs)
        return self._output

    def clear(self) -> None:
        """Forget the output of the previous batch."""
        self._output = None


class NetworkGroup:
    """Teachers that read one network at several layers. A single teacher forms a group, too.

    Args:
        teachers: The teachers.
    """

    def __init__(self, teachers: Sequence[TeacherRun]) -> None:
        self.teachers = list(teachers)
        self.backbone = teachers[0].backbone
        self._settings, self._device = teachers[0].settings, teachers[0].device
        network = self.backbone.network
        cached = network.forward if isinstance(network.forward, _CachedForward) else None
        self._cached = cached or (_CachedForward(network) if len(teachers) > 1 else None)
        self.backbone.to(self._device, _TYPES[self._settings.precision])

    def forward(self, encoded: Sequence[Any]) -> Iterator[NDArray[np.float32]]:
        """Run a batch.

        Args:
            encoded: B inputs, encoded by the group's backbone.

        Yields:
            Features ``(B, D_m)`` by each of the teachers.
        """
        batch = {key: self._prepare(value) for key, value in self.backbone.collate(encoded).items()}
        if self._cached is not None:
            self._cached.clear()
        truncated = sum(self.backbone.truncated(item) for item in encoded)
        for teacher in self.teachers:
            with explain_out_of_memory(self._settings.batch_size):
                features: NDArray[np.float32] = teacher.backbone(batch).float().cpu().numpy()
            teacher.computed += len(features)
            teacher.truncated += truncated
            yield features

    def _prepare(self, value: torch.Tensor) -> torch.Tensor:
        return value.to(self._device, _TYPES[self._settings.precision] if value.is_floating_point() else value.dtype)


def group_by_network(teachers: Sequence[TeacherRun]) -> list[NetworkGroup]:
    """Group teachers by their network, in the order of each group's first teacher."""
    groups: dict[int, list[TeacherRun]] = {}
    for teacher in teachers:
        groups.setdefault(id(teacher.backbone.network), []).append(teacher)
    return [NetworkGroup(members) for members in groups.values()]


def compute_features(
    groups: Sequence[NetworkGroup], indices: Sequence[int], progress: Progress | None = None
) -> dict[str, NDArray[np.float32]]:
    """Compute the features of some samples by several teachers.

    Args:
        groups: The teachers, all over the same views of the same dataset.
        indices: Positions ``(n,)`` of the samples in the dataset.
        progress: Counts the vectors that are computed.

    Returns:
        Features by the name of the teacher, in the order of the indices: ``(n, K * D_m)``, one view after the other.
    """
    teachers = [teacher for group in groups for teacher in group.teachers]
    dataset, views, batch_size = teachers[0].dataset, teachers[0].views, teachers[0].settings.batch_size
    count = len(indices) * views.count
    out = {teacher.name: np.empty((count, teacher.backbone.dim), dtype=np.float32) for teacher in teachers}
    repeated = [_Repeated(group.backbone.reads) for group in groups]

    def read(index: int) -> list[Any]:
        """All views of a sample, which is read once."""
        value = dataset.inputs[index]
        return [views.of(value, dataset.ids[index], number) for number in range(views.count)]

    @torch.inference_mode()
    def encode(samples: range) -> list[_Encoded]:
        """What each group computes of some samples."""
        own = [indices[sample] for sample in samples]
        each = side_by_side(read, own) if dataset.inputs.threaded else list(map(read, own))
        raw, first = list(chain.from_iterable(each)), samples.start * views.count
        found = []
        for group, parts in zip(groups, repeated, strict=True):
            new, copies = parts.divide(raw, range(first, first + len(raw)))
            found.append(
                _Encoded([first + place for place in new], group.backbone.encode([raw[place] for place in new]), copies)
            )
        return found

    # Encoded texts are small, so a whole shard of them is sorted by length. Images are encoded batch by batch, the next one while
    # this one is computed.
    window = max(1, len(indices) if dataset.inputs.sort_by_length else batch_size // views.count)
    windows = [range(start, min(start + window, len(indices))) for start in range(0, len(indices), window)]
    with torch.inference_mode():
        for found in one_ahead(encode, windows):
            for group, parts, (rows, encoded, copies) in zip(groups, repeated, found, strict=True):
                # The longest come first: a batch that does not fit in memory fails at once, and the estimate
                # of the remaining time is never too low. The sort is stable, so inputs of equal length keep
                # their order.
                lengths = [group.backbone.length(item) for item in encoded]
                order = sorted(range(len(encoded)), key=lengths.__getitem__, reverse=True)
                for first in range(0, len(order), batch_size):
                    batch = order[first : first + batch_size]
                    vectors = group.forward([encoded[i] for i in batch])
                    for teacher, features in zip(group.teachers, vectors, strict=True):
                        out[teacher.name][[rows[i] for i in batch]] = features
                    if progress is not None:
                        progress(len(batch) * len(group.teachers))
                longer = [row for row, item in zip(rows, encoded, strict=True) if group.backbone.truncated(item)]
                truncated = parts.truncated(copies, longer)
                for teacher in group.teachers:
                    out[teacher.name][list(copies)] = out[teacher.name][list(copies.values())]
                    teacher.computed += len(copies)
                    teacher.truncated += truncated
                if progress is not None and copies:
                    progress(len(copies) * len(group.teachers))
    return {name: features.reshape(len(indices), -1) for name, features in out.items()}


class _Encoded(NamedTuple):
    """What a group of teachers computes of some vectors.

    Attributes:
        rows: The rows of the features that are computed.
        encoded: Their encoded inputs.
        copies: For each other row, the row that has the same features.
    """

    rows: list[int]
    encoded: list[Any]
    copies: dict[int, int]


class _Repeated:
    """Recognises parts of inputs that occur again, such as an image with several texts: they are computed once.

    Args:
        part: Position of the part of inputs that is read; None for whole inputs.
    """

    def __init__(self, part: int | None) -> None:
        self._part = part
        self._first: dict[str, int] = {}
        self._truncated: set[int] = set()

    def divide(self, raw: Sequence[Any], positions: Sequence[int]) -> tuple[list[int], dict[int, int]]:
        """Divide inputs into new ones and repeated ones.

        Args:
            raw: Raw inputs.
            positions: Their positions among all.

        Returns:
            Places of the new ones among the given inputs; and for the position of each other one that of its first occurrence.
        """
        if self._part is None:
            return list(range(len(raw))), {}
        new, copies = [], {}
        for place, (value, position) in enumerate(zip(raw, positions, strict=True)):
            first = self._first.setdefault(digest_of(value[self._part]), position)
            if first == position:
                new.append(place)
            else:
                copies[position] = first
        return new, copies

    def truncated(self, copies: Mapping[int, int], new: Sequence[int]) -> int:
        """Count the repeated inputs that are longer than the limit.

        Args:
            copies: As `divide` returns them.
            new: Positions of the new inputs that are longer.
        """
        self._truncated.update(new)
        return sum(first in self._truncated for first in copies.values())
