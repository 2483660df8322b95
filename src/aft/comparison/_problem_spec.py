"""A task with a student and teachers: what methods are compared on."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import nn

from aft.data import Dataset
from aft.features import FeatureStore
from aft.models import ModelSpec, weights_digest
from aft.training import TrainConfig, Training


@dataclass(frozen=True)
class Cell:
    """A task with a student and teachers.

    Attributes:
        name: What rows call it.
        dataset: The samples, or a function that makes them: so that a process that needs few of many cells reads few.
        student: Name of the student, or a module.
        features: Folders of the teachers' stores.
        settings: Fields of `TrainConfig` that hold for all its trainings.
        preprocess: For a module.
    """

    name: str
    dataset: Dataset | Callable[[], Dataset]
    student: str | nn.Module
    features: tuple[str, ...]
    settings: dict[str, Any] = field(default_factory=dict)
    preprocess: Callable[[Any], Any] | None = None

    def samples(self) -> Dataset:
        """Its dataset."""
        return self.dataset if isinstance(self.dataset, Dataset) else self.dataset()

    def stores(self) -> list[FeatureStore]:
        """Its teachers' features."""
        return [FeatureStore.open(folder) for folder in self.features]

    def training(self) -> Training:
        """A training on it, to make variants of."""
        name = self.student if isinstance(self.student, str) else f"module:{type(self.student).__name__}"
        method = "aft" if self.features else "finetune"
        config = TrainConfig.of(student=name, **{"method": method, **self.settings})
        return Training(self.samples(), self.student, self.stores(), config, preprocess=self.preprocess, progress=False)

    def digest(self) -> str:
        """Of samples and how they are cut into parts, of teachers, student and settings: what a row belongs to."""
        training = self.training()
        dataset, parts = training.dataset, training.parts
        state = hashlib.sha256()
        for part in (parts.train, parts.inner, parts.validation, parts.test):
            state.update(part.astype("<i8").tobytes() + b";")
        for column in (dataset.ids, dataset.digests, dataset.labels, dataset.splits, dataset.groups):
            state.update(repr(column).encode("utf-8", "surrogatepass"))
        student = portable(self.student) if isinstance(self.student, str) else weights_digest(self.student)
        teachers = [(store.name, store.fingerprint) for store in self.stores()]
        described = {"student": student, "teachers": teachers, "settings": self.settings}
        state.update(json.dumps(described, sort_keys=True, default=str).encode())
        return state.hexdigest()[:24]


def portable(name: str) -> str:
    """A model's name without the folder that it lies in on this machine."""
    spec = ModelSpec.parse(name)
    options = {
        key: Path(str(value)).name if Path(str(value)).is_dir() else value for key, value in spec.options.items()
    }
    return str(ModelSpec(spec.kind, Path(spec.name).name if Path(spec.name).exists() else spec.name, options))
