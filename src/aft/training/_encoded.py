"""Samples as training uses them: encoded inputs, encoded labels and the teachers' features."""

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aft.data import Dataset, Targets
from aft.features import FeatureStore
from aft.models import Backbone, kept_random_state, seed_all
from aft.training._sampler import Step

#: Encoded inputs are kept in memory up to this many bytes. Larger datasets are encoded again for every batch.
CACHE_BYTES = 2 << 30


class EncodedDataset:
    """A dataset joined with feature stores by id. It is a map-style dataset that is indexed by steps, for their batches.

    Args:
        dataset: The samples.
        backbone: The student's backbone, which encodes the inputs.
        targets: The task.
        stores: The teachers' feature stores.
        joined: Positions of the samples that need features: those that are trained on.

    Attributes:
        labels: Encoded labels, ``(N,)`` or ``(N, C)``.
        labelled: Which samples have a label, ``(N,)``.
        truncated: Number of texts that are longer than the student's limit.

    Raises:
        UnknownIdError: A store lacks samples; some are named.
        FingerprintError: Inputs have changed since their features were extracted; some are named.
    """

    def __init__(
        self,
        dataset: Dataset,
        backbone: Backbone,
        targets: Targets,
        stores: Sequence[FeatureStore],
        joined: NDArray[np.int64],
    ) -> None:
        self.dataset = dataset
        self.backbone = backbone
        self.stores = list(stores)
        ids = [dataset.ids[i] for i in joined.tolist()]
        digests = [dataset.digests[i] for i in joined.tolist()]
        self._rows: dict[str, NDArray[np.int64]] = {}
        for store in stores:
            self._rows[store.name] = np.full(len(dataset), -1, dtype=np.int64)
            self._rows[store.name][joined] = store.rows(ids, digests)
        labels = dataset.labels if dataset.labels is not None else [None] * len(dataset)
        self.labels, self.labelled = targets.encode(labels, dataset.ids)
        self._cache: list[Any] | None = None
        self.truncated = 0
        #: Size of all encoded inputs, roughly.
        self.bytes = _size(backbone.encode([dataset.inputs[0]])[0]) * len(dataset)
        if self.bytes <= CACHE_BYTES and not backbone.augments:
            self._cache = [
                item
                for start in range(0, len(dataset), 1024)
                for item in backbone.encode([dataset.inputs[i] for i in range(start, min(start + 1024, len(dataset)))])
            ]
            self.truncated = sum(backbone.truncated(item) for item in self._cache)

    def with_stores(self, stores: Sequence[FeatureStore]) -> "EncodedDataset":
        """The same samples with only some of the stores. Nothing is encoded again."""
        other = copy.copy(self)
        other.stores = list(stores)
        return other

    def __len__(self) -> int:
        """Number of samples."""
        return len(self.dataset)

    def encoded(self, positions: Sequence[int]) -> list[Any]:
        """Encoded inputs of some samples."""
        if self._cache is not None:
            return [self._cache[position] for position in positions]
        return self.backbone.encode([self.dataset.inputs[position] for position in positions])

    def features(self, positions: NDArray[np.int64]) -> dict[str, Tensor]:
        """The teachers' features of some samples, ``(n, D_m)`` by teacher."""
        return {store.name: torch.from_numpy(store.take(self._rows[store.name][positions])) for store in self.stores}

    def __getitem__(self, step: Step) -> dict[str, Any]:
        """The batch of a step."""
        return self.batch(step, range(len(step.positions)), step.positions)

    def batch(self, step: Step, places: Sequence[int], objective_positions: list[int]) -> dict[str, Any]:
        """A batch.

        Args:
            step: The step.
            places: Which of its samples the student sees.
            objective_positions: Positions of the samples whose features and targets the objective sees.
        """
        positions = [step.positions[place] for place in places]
        student, objective = (np.asarray(part, dtype=np.int64) for part in (positions, objective_positions))
        return {
            "ids": [self.dataset.ids[position] for position in positions],
            "inputs": self.backbone.collate(
                self._augmented(step, places) if self.backbone.augments else self.encoded(positions)
            ),
            "targets": torch.from_numpy(self.labels[student]),
            "labelled": torch.from_numpy(self.labelled[student]),
            "any_labelled": bool(self.labelled[student].any()),
            "features": self.features(objective),
            "objective_targets": torch.from_numpy(self.labels[objective]),
        }

    def _augmented(self, step: Step, places: Sequence[int]) -> list[Any]:
        """Inputs of a step with random augmentation, which does not depend on the process that has the sample."""
        with kept_random_state():
            encoded = []
            for place in places:
                seed_all(*step.seed, place)
                encoded.append(self.backbone.augment(self.dataset.inputs[step.positions[place]]))
            return encoded


def identity(batch: Any) -> Any:
    """The data loader's collate function: batches come collated."""
    return batch


def _size(encoded: Any) -> int:
    """Bytes of an encoded input, roughly."""
    if isinstance(encoded, Tensor):
        return encoded.numel() * encoded.element_size()
    if isinstance(encoded, np.ndarray):
        return int(encoded.nbytes) + 100
    if isinstance(encoded, dict):
        return sum(map(_size, encoded.values()))
    if isinstance(encoded, tuple):
        return sum(map(_size, encoded))
    return 64
