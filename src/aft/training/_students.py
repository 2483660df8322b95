"""Fresh students of one kind, each from the initial weights that its seed gives."""

import copy
import random
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from aft.data import Dataset, Splits, Targets
from aft.errors import ModelError, name_some
from aft.models import Student, kept_random_state, load_backbone, parse_parts, part_names, weights_digest
from aft.runs import TrainConfig
from aft.training._spread import MOST_SAMPLES, spread

T = TypeVar("T")


def seeded(make: Callable[[], T], seed: int) -> T:
    """Call a function whose random numbers depend on a seed alone; the caller's random state is kept.

    Args:
        make: The function.
        seed: The seed.

    Returns:
        Its result.
    """
    with forked_rng(), kept_random_state():
        random.seed(seed)
        np.random.seed(seed % (1 << 32))  # noqa: NPY002 - a user's factory may use it
        torch.manual_seed(seed)
        return make()


def forked_rng() -> AbstractContextManager[None]:
    """A block after which the random state of torch, on all devices, is as it was before."""
    return torch.random.fork_rng(devices=range(torch.cuda.device_count()))


def _initial_state(student: Student) -> tuple[dict[str, Tensor], str]:
    """A copy of a student's weights, and their digest."""
    other = [name for name, value in student.state_dict().items() if not isinstance(value, Tensor)]
    if other:
        raise ModelError(
            f"a module's state is tensors, since nothing else is saved; received {name_some(other)}; make it buffers, or leave it out "
            "of the state"
        )
    return {name: value.detach().clone() for name, value in student.state_dict().items()}, weights_digest(student)


class StudentFactory:
    """Makes students of one kind: equal seeds give equal initial weights.

    Args:
        student: The student's name, or a module, which is copied and never changed.
        dataset: The samples: students may learn a vocabulary from the training texts.
        splits: Their splits.
        targets: The task.
        config: The settings.
        preprocess: The preprocessing of a module.
        train_preprocess: Its preprocessing for training, if it is another.

    Attributes:
        template: A student that is never trained: its preprocessing, width and recipe are those of all others.
    """

    def __init__(
        self,
        student: str | nn.Module,
        dataset: Dataset,
        splits: Splits,
        targets: Targets,
        config: TrainConfig,
        *,
        preprocess: Callable[[Any], Any] | None,
        train_preprocess: Callable[[Any], Any] | None,
    ) -> None:
        self._student = student
        self._dataset, self._train, self._targets = dataset, splits.train, targets
        self._config, self._device = config, torch.device("cpu")
        self._preprocess = {"preprocess": preprocess, "train_preprocess": train_preprocess}
        self.template = self._build(config.seed)
        self._initial = {config.seed: _initial_state(self.template)}

    def __getstate__(self) -> dict[str, Any]:
        """Everything but the module of a user's factory, which is called again in the other process; its initial weights are kept."""
        return {name: value for name, value in self.__dict__.items() if not (self.by_factory and name == "template")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        if "template" not in state:
            self.template = self.new(self._config.seed)

    def to(self, device: torch.device) -> None:
        """Make students on a device from now on."""
        self._device = device
        self.template.to(device)

    @property
    def name(self) -> str:
        """The student's name; ``module:CLASS`` for a module."""
        return self._student if isinstance(self._student, str) else f"module:{type(self._student).__name__}"

    @property
    def pretrained(self) -> bool:
        """Whether the students start from weights that know something: those of a hub, or of a module."""
        if not isinstance(self._student, str):
            return True
        return any(
            part.kind != "aft" and part.options.get("weights", self._config.weights) != "random"
            for part in parse_parts(self._student)
        )

    @property
    def by_factory(self) -> bool:
        """Whether a function of the user's makes the students, or a part of them."""
        return isinstance(self._student, str) and any(name.startswith("python:") for name in part_names(self._student))

    @property
    def load_argument(self) -> str | nn.Module | None:
        """The ``student=`` that `aft.load` needs for a module or a ``python:`` student; None for all others."""
        return None if isinstance(self._student, str) and not self.by_factory else self._student

    @property
    def preprocess(self) -> dict[str, Callable[[Any], Any] | None]:
        """The preprocessing of a module: ``preprocess`` and ``train_preprocess``."""
        return self._preprocess

    def new(self, seed: int) -> Student:
        """A student with the initial weights of a seed."""
        initial, _ = self._initial_weights(seed)
        # The user's factory is called again: a copy of its module could share hooks with the original.
        student = self._build(seed) if self.by_factory else copy.deepcopy(self.template)
        student.load_state_dict(initial)
        return student

    def initial_digest(self, seed: int) -> str:
        """SHA-256 of the initial weights of a seed."""
        return self._initial_weights(seed)[1]

    def _initial_weights(self, seed: int) -> tuple[dict[str, Tensor], str]:
        if seed not in self._initial:
            student = self._build(seed)
            self._initial[seed] = _initial_state(student)
        return self._initial[seed]

    def _build(self, seed: int) -> Student:
        given = copy.deepcopy(self._student) if isinstance(self._student, nn.Module) else self._student
        inputs, config = self._dataset.inputs, self._config

        def build() -> Student:
            backbone = load_backbone(
                given, role="student", texts=lambda: inputs.texts(spread(self._train, MOST_SAMPLES).tolist()), example=inputs[0],
                **self._preprocess, layer=config.layer, pooling=config.pooling, weights=config.weights,
                prompt=config.prompt, outputs=self._targets.outputs,
            )  # fmt: skip
            backbone.read(inputs.modality, "student")
            return Student(backbone, self._targets.outputs)

        return seeded(build, seed).to(self._device)
