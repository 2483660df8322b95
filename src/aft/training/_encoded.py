"""Samples as training takes them: encoded inputs, encoded labels, rows of feature stores."""

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aft.data import Dataset, Targets
from aft.features import FeatureStore
from aft.models import Backbone

#: Encoded inputs are kept in memory up to this many bytes; beyond it they are encoded anew each time.
CACHE_BYTES = 2 << 30


class TrainingData:
    """A dataset joined with feature stores by id.

    Args:
        dataset: The samples.
        backbone: The student's, which encodes inputs.
        targets: The task.
        stores: Feature stores.
        joined: Positions of the samples that need features: those that are trained on.

    Raises:
        UnknownIdError: A store lacks samples; some are named.
        FingerprintError: Inputs changed since their features were extracted; some are named.
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
        first = backbone.encode([dataset.inputs[0]])[0]
        if _bytes(first) * len(dataset) <= CACHE_BYTES:
            self._cache = [
                item
                for start in range(0, len(dataset), 1024)
                for item in backbone.encode([dataset.inputs[i] for i in range(start, min(start + 1024, len(dataset)))])
            ]
            self.truncated = sum(backbone.truncated(item) for item in self._cache)

    def reading(self, stores: Sequence[FeatureStore]) -> "TrainingData":
        """The same samples with some of the stores alone; nothing is encoded again.

        Args:
            stores: Of those that this was made with.
        """
        other = copy.copy(self)
        other.stores = list(stores)
        return other

    def __len__(self) -> int:
        """Number of samples."""
        return len(self.dataset)

    def encoded(self, indices: Sequence[int]) -> list[Any]:
        """Encoded inputs of some samples."""
        if self._cache is not None:
            return [self._cache[index] for index in indices]
        return self.backbone.encode([self.dataset.inputs[index] for index in indices])

    def features(self, indices: NDArray[np.int64]) -> dict[str, Tensor]:
        """The teachers' features of some samples, ``(n, D_m)`` each."""
        return {store.name: torch.from_numpy(store.take(self._rows[store.name][indices])) for store in self.stores}

    def __getitems__(self, indices: list[int]) -> dict[str, Any]:
        """A batch; torch's loader asks for all its samples at once."""
        return self.batch(indices, indices)

    def batch(self, indices: list[int], seen: list[int]) -> dict[str, Any]:
        """A batch.

        Args:
            indices: Samples that the student gets.
            seen: Samples whose features and targets the objective gets.
        """
        chosen, other = np.asarray(indices, dtype=np.int64), np.asarray(seen, dtype=np.int64)
        return {
            "ids": [self.dataset.ids[index] for index in indices],
            "inputs": self.backbone.collate(self.encoded(indices)),
            "targets": torch.from_numpy(self.labels[chosen]),
            "labelled": torch.from_numpy(self.labelled[chosen]),
            "any_labelled": bool(self.labelled[chosen].any()),
            "features": self.features(other),
            "seen_targets": torch.from_numpy(self.labels[other]),
        }


def as_is(batch: Any) -> Any:
    """The loader's collate function: `TrainingData` has collated already."""
    return batch


def _bytes(encoded: Any) -> int:
    if isinstance(encoded, Tensor):
        return encoded.numel() * encoded.element_size()
    if isinstance(encoded, np.ndarray):
        return int(encoded.nbytes) + 100
    if isinstance(encoded, dict):
        return sum(map(_bytes, encoded.values()))
    if isinstance(encoded, tuple):
        return sum(map(_bytes, encoded))
    return 64
