"""Samples as training uses them: encoded inputs, encoded labels and the teachers' features."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from itertools import chain
from random import Random
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aft.core import world_size
from aft.data import Dataset, Inputs, Targets, Views, augment, spilled
from aft.features import FeatureStore
from aft.models import Backbone, kept_random_state, seed_all
from aft.training._augment import Augment
from aft.training._packed import Subset, UnlikeError, is_packable, packed
from aft.training._sampler import Step

#: Encoded inputs are kept up to this many bytes. Larger datasets are encoded again for every batch.
CACHE_BYTES = 2 << 30
#: Those of texts are packed from this many bytes on: they take a fraction of the memory then, and longer to read.
PACKED_BYTES = 128 << 20
#: Tensors, and what ranks share, are packed from this many on: other processes map what is packed, and build lists anew.
PACKED_SHARED = 8 << 20


class EncodedDataset:
    """A dataset joined with feature stores by id. It is a map-style dataset that is indexed by steps, for their batches.

    Args:
        dataset: The samples.
        backbone: The student's backbone, which encodes the inputs.
        targets: The task.
        stores: The teachers' feature stores.
        joined: Positions of the samples that need features: those that are trained on.
        augment: What training shows the student of each sample: itself (``"none"``), a new augmentation at every use, with the
            features of the sample itself (``"clean"``), or one of its `views`, with the features of that view (``"views"``).
        views: The views that the stores hold.

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
        augment: Augment = "none",
        views: Views | None = None,
    ) -> None:
        self.dataset = dataset
        self.backbone = backbone
        self.stores = list(stores)
        self._augment, self._views = augment, views or Views(dataset.modality)
        ids, digests = dataset.ids.take(joined), dataset.digests.take(joined)
        self._rows: dict[str, NDArray[np.int64]] = {}
        for store in stores:
            rows = np.full(len(dataset), -1, dtype=np.int64)
            rows[joined] = store.rows(ids, digests)
            self._rows[store.name] = spilled(rows)
        labels = dataset.labels if dataset.labels is not None else [None] * len(dataset)
        encoded, self.labelled = targets.encode(labels, dataset.ids)
        self.labels = spilled(encoded)
        self._cache: Sequence[Any] | None = None
        self._cached_views: dict[tuple[int, int], Any] = {}
        self.truncated = 0
        first = backbone.encode([dataset.inputs[0]])[0]
        #: Size of all encoded inputs, roughly.
        self.bytes = _size(first) * len(dataset)
        if self.bytes <= CACHE_BYTES and not backbone.augments:
            self._cache = encode_all(backbone, dataset.inputs, np.arange(len(dataset)))
            if backbone.defines("truncated"):
                self.truncated = sum(map(backbone.truncated, self._cache))

    def with_stores(self, stores: Sequence[FeatureStore]) -> "EncodedDataset":
        """The same samples with only some of the stores. Nothing is encoded again."""
        other = self._copied()
        other.stores = list(stores)
        return other

    def without_backbone(self) -> "EncodedDataset":
        """The same samples without the backbone, for a process that builds its own."""
        other = self._copied()
        del other.backbone
        return other

    def _copied(self) -> "EncodedDataset":
        other = object.__new__(type(self))
        other.__dict__.update(self.__dict__)  # copy.copy would apply __getstate__
        return other

    def __getstate__(self) -> dict[str, Any]:
        """Without encoded views: another process encodes those that it sees."""
        return {**self.__dict__, "_cached_views": {}}

    @property
    def views(self) -> int:
        """Number of views of each sample that training shows."""
        return self._views.count if self._augment == "views" else 1

    @property
    def prepares_ahead(self) -> bool:
        """Whether a thread can prepare batches during steps: images are decoded, and by no code that may draw global random numbers."""
        kept = self._cache is not None and self._augment == "none"
        images = self.dataset.modality == ("image",) and self.dataset.inputs.threaded
        return images and not kept and not self.backbone.augments

    def __len__(self) -> int:
        """Number of samples."""
        return len(self.dataset)

    def encoded(self, positions: Sequence[int]) -> list[Any]:
        """Encoded inputs of some samples."""
        if self._cache is not None:
            return [self._cache[position] for position in positions]
        return self.backbone.encode([self.dataset.inputs[position] for position in positions])

    def encoded_lazily(self, positions: Sequence[int]) -> Sequence[Any]:
        """The same samples as a sequence that reads packed ones on access, so that no copies of them are kept."""
        return (
            self.encoded(positions)
            if self._cache is None or isinstance(self._cache, list)
            else Subset(self._cache, positions)
        )

    def features(self, positions: NDArray[np.int64], views: NDArray[np.int64] | int = 0) -> dict[str, Tensor]:
        """The teachers' features of some samples, ``(n, D_m)`` by teacher."""
        return {
            store.name: torch.from_numpy(store.take(self._rows[store.name][positions], views)) for store in self.stores
        }

    def __getitem__(self, step: Step) -> dict[str, Any]:
        """The batch of a step."""
        places = range(len(step.positions))
        return self.batch(step, places, places)

    def batch(self, step: Step, places: Sequence[int], objective_places: Sequence[int]) -> dict[str, Any]:
        """A batch.

        Args:
            step: The step.
            places: Which of its samples the student sees.
            objective_places: Which of them the objective sees, with their features and targets.
        """
        positions, views = np.asarray(step.positions, dtype=np.int64), self._views_of(step)
        student, objective = positions[list(places)], positions[list(objective_places)]
        return {
            "positions": student,
            "inputs": self.backbone.collate(self._training_inputs(step, places, views)),
            "targets": torch.from_numpy(self.labels[student]),
            "labelled": torch.from_numpy(self.labelled[student]),
            "any_labelled": bool(self.labelled[student].any()),
            "features": self.features(objective, views[list(objective_places)]),
            "objective_targets": torch.from_numpy(self.labels[objective]),
        }

    def _views_of(self, step: Step) -> NDArray[np.int64]:
        """The view of each sample of a step, ``(B,)``."""
        if self.views == 1:
            return np.zeros(len(step.positions), dtype=np.int64)
        return np.random.default_rng(step.seed).integers(self.views, size=len(step.positions))

    def _training_inputs(self, step: Step, places: Sequence[int], views: NDArray[np.int64]) -> list[Any]:
        """Encoded inputs of a step, which do not depend on the process that has the sample."""
        if self._augment == "views" and not self.backbone.augments:
            return [self._encoded_view(step.positions[place], int(views[place])) for place in places]
        if self._augment == "none" and not self.backbone.augments:
            return self.encoded([step.positions[place] for place in places])
        if self.prepares_ahead:
            return self.backbone.encode([self._shown(step, place, int(views[place])) for place in places])
        with kept_random_state():
            encoded = []
            for place in places:
                value = self._shown(step, place, int(views[place]))
                seed_all(*step.seed, place)
                encoded.append(self.backbone.augment(value))
            return encoded

    def _shown(self, step: Step, place: int, view: int) -> Any:
        """What a step shows of a sample, not encoded yet."""
        position = step.positions[place]
        value = self.dataset.inputs[position]
        if self._augment == "views":
            return self._views.of(value, self.dataset.ids[position], view)
        if self._augment == "clean":
            return augment(value, self.dataset.modality, Random(repr((*step.seed, place))))
        return value

    def _encoded_view(self, position: int, view: int) -> Any:
        """A view, encoded. Views are kept in memory if all of them fit."""
        if view == 0:
            return self.encoded([position])[0]
        key = (position, view)
        if key in self._cached_views:
            return self._cached_views[key]
        value = self._views.of(self.dataset.inputs[position], self.dataset.ids[position], view)
        encoded = self.backbone.encode([value])[0]
        if self.bytes * self.views <= CACHE_BYTES:
            self._cached_views[key] = encoded
        return encoded


def identity(batch: Any) -> Any:
    """The data loader's collate function: batches come collated."""
    return batch


def encode_all(backbone: Backbone, inputs: Inputs, positions: NDArray[np.int64]) -> Sequence[Any]:
    """Encode some inputs, and pack them if they are large and can be packed."""

    def encoded() -> Iterator[Any]:
        for start in range(0, len(positions), 1024):
            yield from backbone.encode([inputs[place] for place in positions[start : start + 1024].tolist()])

    items = encoded()
    first = next(items, None)
    if first is None:
        return []
    least = PACKED_SHARED if world_size() > 1 or _has_tensor(first) else PACKED_BYTES
    if _size(first) * len(positions) > least and is_packable(first):
        with suppress(UnlikeError):  # as a user's preprocessing may give some samples other fields
            return packed(chain([first], items), first)
        items, first = encoded(), None
    return list(items) if first is None else [first, *items]


def _has_tensor(encoded: Any) -> bool:
    if isinstance(encoded, dict | tuple):
        return any(map(_has_tensor, encoded.values() if isinstance(encoded, dict) else encoded))
    return isinstance(encoded, Tensor)


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
