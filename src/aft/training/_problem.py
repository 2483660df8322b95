"""What is trained: samples, splits, targets and teacher features, encoded once, and the students to train on them."""

import hashlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from aft.core import once_per_machine
from aft.data import (
    Dataset,
    Splits,
    Targets,
    check_dataset,
    column_bytes,
    infer_targets,
    make_splits,
    sample_warnings,
    spilled,
    taken,
)
from aft.evaluation import calibrated_loss, measure
from aft.features import FeatureStore
from aft.models import Recipe, Student, choose_device, forward_all, slow_precision
from aft.runs import DataConfig, HParams, RunConfig, SampleCounts, StudentConfig, TeacherConfig, TrainConfig
from aft.training._augment import choose_augment
from aft.training._encoded import CACHE_BYTES, EncodedDataset, encode_all
from aft.training._linear_start import LinearStarts
from aft.training._objectives import ObjectiveFactory
from aft.training._sampler import steps_per_epoch
from aft.training._search import SearchSpace
from aft.training._soft_validation import SoftValidation, hold_out_unlabelled, soft_validation
from aft.training._students import StudentFactory
from aft.training._teacher_probes import TeacherProbes

log = logging.getLogger("aft")

#: With unlabelled samples, a student needs fewer passes over all samples than it usually makes over the labelled ones.
UNLABELLED_EPOCHS = 0.5
#: Test samples that are too large to be kept are encoded for every student, this many bytes at a time.
PART_BYTES = 128 << 20


@dataclass(frozen=True)
class Problem:
    """A task with its samples, teachers and students, ready to be trained with any method and hyperparameters.

    Attributes:
        config: The settings. Method and hyperparameters can be overridden for each training.
        dataset: The samples.
        splits: Their splits.
        targets: The task.
        stores: The teachers' feature stores.
        students: Makes fresh students.
        objectives: Makes objectives.
        probe: Predicts labels from the teachers' features.
        starts: Fits the linear models that some students start from.
        samples: The training and validation samples, encoded and joined with the teachers' features.
        train: Positions in `samples` of the samples for the final training.
        search_train: Positions of the samples that the hyperparameter search trains on.
        validation: Positions of the labelled samples that it validates on.
        unlabelled_validation: Positions of the unlabelled ones, where there are teachers to predict their labels.
        device: Where training runs.
    """

    config: TrainConfig
    dataset: Dataset
    splits: Splits
    targets: Targets
    stores: tuple[FeatureStore, ...]
    students: StudentFactory
    objectives: ObjectiveFactory
    probe: TeacherProbes
    starts: LinearStarts
    samples: EncodedDataset
    train: NDArray[np.int64]
    search_train: NDArray[np.int64]
    validation: NDArray[np.int64]
    unlabelled_validation: NDArray[np.int64]
    device: torch.device

    @classmethod
    def build(
        cls,
        dataset: Dataset,
        student: str | nn.Module,
        stores: Sequence[FeatureStore],
        config: TrainConfig,
        *,
        preprocess: Callable[[Any], Any] | None = None,
        train_preprocess: Callable[[Any], Any] | None = None,
    ) -> "Problem":
        """Read, split and encode a dataset. Of several ranks, one on each machine does so for all of them.

        Args:
            dataset: The samples.
            student: The student's name, or a module.
            stores: The teachers' feature stores.
            config: The settings.
            preprocess: The preprocessing of a module.
            train_preprocess: Its preprocessing for training, if it is another.

        Returns:
            The problem.

        Raises:
            DataError: Samples, labels or splits that cannot be used.
            UnknownIdError: A store lacks training samples.
            ModelError: The preprocessing of a module is random.
        """
        check_dataset(dataset)
        device = choose_device(config.device)
        if slow := slow_precision(device, config.precision):
            log.warning("%s", slow)
        made = once_per_machine(
            lambda: cls._made(
                dataset, student, stores, config, preprocess=preprocess, train_preprocess=train_preprocess
            )
        )
        made.students.to(device)
        return replace(made, device=device)

    @classmethod
    def _made(
        cls, dataset: Dataset, student: str | nn.Module, stores: Sequence[FeatureStore], config: TrainConfig,
        **preprocessing: Callable[[Any], Any] | None,
    ) -> "Problem":  # fmt: skip
        """The problem, whose students are on the CPU."""
        dataset = dataset.verified()
        splits = make_splits(
            dataset,
            validation_fraction=config.validation_fraction,
            test_fraction=config.test_fraction,
            seed=config.split_seed,
            unlabelled=config.unlabelled,
            leakage=config.leakage,
        )
        if config.patience is not None:
            splits = replace(splits, train=splits.search_train)  # what stops a training must not be trained on
        targets = infer_targets(dataset, splits.train, config.task, config.order)
        _labels_of(dataset, targets, splits.test)  # what is wrong with them must not be found out after training
        for warning in sample_warnings(targets, dataset.digests, dataset.labels or [None] * len(dataset)):
            log.warning("%s", warning)
        students = StudentFactory(student, dataset, splits, targets, config, **preprocessing)
        students.template.backbone.check_deterministic(dataset.inputs)
        used = spilled(np.unique(np.concatenate([splits.train, splits.validation])))
        train, search_train, validation = (
            spilled(np.searchsorted(used, part)) for part in (splits.train, splits.search_train, splits.validation)
        )
        samples = EncodedDataset(
            dataset.subset(used),
            students.template.backbone,
            targets,
            stores,
            train,
            *choose_augment(config, dataset.modality, stores),
        )
        held = search_train[:0]
        if stores and np.isin(validation, train).all():  # the teachers' features of other samples need not be known
            held = hold_out_unlabelled(
                samples.dataset, samples.labelled, search_train, fraction=config.validation_fraction, seed=config.split_seed
            )  # fmt: skip
            search_train = search_train[~np.isin(search_train, held)]
        if samples.truncated:
            log.warning(
                "%d of %d texts are longer than the student's limit of %s and are truncated",
                samples.truncated, len(samples), students.template.backbone.limit(),
            )  # fmt: skip
        probe = TeacherProbes(targets)
        return cls(
            config, dataset, splits, targets, tuple(stores), students, ObjectiveFactory(targets), probe,
            LinearStarts(targets, probe), samples, train, search_train, validation, held, torch.device("cpu"),
        )  # fmt: skip

    def __getstate__(self) -> dict[str, Any]:
        """Everything but copies of samples, and the module of a user's factory, which need not be picklable."""
        state = {
            name: value
            for name, value in self.__dict__.items()
            if name not in ("_encoded_validation", "_encoded_unlabelled")
        }
        return {**state, "samples": self.samples.without_backbone()} if self.students.by_factory else state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self.samples.backbone = self.template.backbone

    @property
    def template(self) -> Student:
        """A student that is never trained, for its width, size and recipe."""
        return self.students.template

    @property
    def recipe(self) -> Recipe:
        """The student's usual hyperparameters."""
        return self.template.backbone.recipe

    @cached_property
    def counts(self) -> SampleCounts:
        """Number of samples by use."""
        labelled = int(self.samples.labelled[self.train].sum())
        return SampleCounts(
            labelled=labelled, unlabelled=len(self.train) - labelled, validation=len(self.validation),
            test=len(self.splits.test),
        )  # fmt: skip

    def batch_size(self, *, objective: bool) -> int:
        """Samples per step.

        Args:
            objective: Whether there is an objective, which learns from samples without a label, too.
        """
        return self.config.batch_size or self.recipe.batch_for(self._samples(objective=objective))

    def default_hparams(self, config: TrainConfig, *, objective: bool = False) -> HParams:
        """Hyperparameters with the given settings, and the student's recipe for what they leave open; beta is 0.

        Args:
            config: The settings.
            objective: Whether there is going to be an objective, so that an epoch is all samples and not the labelled ones.
        """
        recipe, samples, batch = self.recipe, self._samples(objective=objective), self.batch_size(objective=objective)
        if config.epochs is not None:
            steps = max(1, round(config.epochs * steps_per_epoch(samples, batch)))
        elif config.steps is not None:
            steps = config.steps
        else:
            steps = recipe.steps_for(samples, batch)
            if objective and self.counts.unlabelled:
                steps = max(round(UNLABELLED_EPOCHS * steps), self.default_hparams(config).steps)
        return HParams(
            lr=config.lr or recipe.lr,
            steps=steps,
            weight_decay=recipe.weight_decay if config.weight_decay is None else config.weight_decay,
        )

    def epochs(self, steps: int, *, objective: bool) -> float:
        """How often so many steps go through the samples, or through the labelled ones where there is no objective."""
        return steps / steps_per_epoch(self._samples(objective=objective), self.batch_size(objective=objective))

    def search_space(self, config: TrainConfig, *, thrifty: bool = False) -> SearchSpace:
        """What a hyperparameter search may choose under the given settings, and whether it may cost no more than a few trainings."""
        default = self.default_hparams(config)
        searched = config.lr is None or config.beta == "auto"
        return SearchSpace(
            lr=default.lr,
            weight_decay=default.weight_decay,
            steps=default.steps,
            objective_steps=self.default_hparams(config, objective=True).steps,
            fixed_lr=config.lr is not None,
            beta=None if config.beta == "auto" else config.beta,
            weighting=None if config.weighting == "auto" else config.weighting,
            probe_loss=self.probe_loss if searched else None,  # with many classes the probe takes a minute
            thrifty=thrifty,
        )

    def measure_validation(self, student: Student) -> tuple[float, float]:
        """A student's loss, at the best temperature, and error on the validation split."""
        loss, error, _ = self._measure(student, pooled=False)
        return loss, error

    def measure_search(self, student: Student) -> tuple[float, float, float | None]:
        """The same, and the loss on labelled and unlabelled validation samples; None without unlabelled ones."""
        return self._measure(student, pooled=True)

    def _measure(self, student: Student, *, pooled: bool) -> tuple[float, float, float | None]:
        logits = forward_all(student, self._encoded_validation).logits
        labels = self.samples.labels[self.validation]
        loss, error = calibrated_loss(self.targets, logits, labels), measure(self.targets, logits, labels).error
        soft = self._soft_validation if pooled else None
        if soft is None:
            return loss, error, None
        return loss, error, soft.measure(self.targets, logits, forward_all(student, self._encoded_unlabelled).logits)

    @property
    def probe_loss(self) -> float | None:
        """Validation loss of the teachers' probe, where it predicts the labels of unlabelled validation samples."""
        return None if self._soft_validation is None else self._soft_validation.probe_loss

    @cached_property
    def _soft_validation(self) -> SoftValidation | None:
        held = self.unlabelled_validation
        if not len(held):
            return None
        return soft_validation(self.targets, self.probe, self.samples, self.search_train, self.validation, held)

    @cached_property
    def _encoded_unlabelled(self) -> Sequence[Any]:
        return self.samples.encoded_lazily(self.unlabelled_validation.tolist())

    @cached_property
    def _encoded_validation(self) -> Sequence[Any]:
        return self.samples.encoded_lazily(self.validation.tolist())

    @property
    def trains_on_validation(self) -> bool:
        """Whether the final training sees the validation samples, as it does if they were held out for the search alone."""
        return bool(np.isin(self.validation, self.train).any())

    def _samples(self, *, objective: bool) -> int:
        """How many samples are trained on."""
        return len(self.train) if objective else self.counts.labelled

    @cached_property
    def test_labels(self) -> NDArray[Any]:
        """Encoded labels of the test split, ``(N,)`` or ``(N, C)``."""
        return _labels_of(self.dataset, self.targets, self.splits.test)

    def test_logits(self, student: Student) -> NDArray[np.float32] | None:
        """A student's outputs ``(N, C)`` for the test split; None without one."""
        test = self.splits.test
        if not len(test):
            return None
        if self._keeps_test:
            return forward_all(student, self._encoded_test).logits
        count = max(1, PART_BYTES // (self.samples.bytes // len(self.samples)))
        parts = np.split(test, range(count, len(test), count))
        return np.concatenate([forward_all(student, self._encode(part)).logits for part in parts])

    def encode_test(self) -> None:
        """Encode the test split now, so that processes that receive the problem do not encode it again."""
        if self._keeps_test:
            _ = self._encoded_test

    @property
    def _keeps_test(self) -> bool:
        return self.samples.bytes // len(self.samples) * len(self.splits.test) <= CACHE_BYTES

    @cached_property
    def _encoded_test(self) -> Sequence[Any]:
        return self._encode(self.splits.test)

    def _encode(self, positions: NDArray[np.int64]) -> Sequence[Any]:
        return encode_all(self.template.backbone, self.dataset.inputs, positions)

    @cached_property
    def digest(self) -> str:
        """SHA-256 over ids, inputs, labels, splits and groups."""
        state = hashlib.sha256()
        dataset = self.dataset
        for column in (dataset.ids, dataset.digests, dataset.labels, dataset.splits, *filter(None, [dataset.groups])):
            for part in column_bytes(column):
                state.update(part)
        return state.hexdigest()

    def run_config(self, settings: TrainConfig | None = None) -> RunConfig:
        """What identifies a run on this problem.

        Args:
            settings: The run's settings; the problem's by default.
        """
        settings = settings or self.config
        source = {key: str(value) for key, value in self.dataset.source.items() if key not in ("kind", "path")}
        backbone = self.template.backbone
        module, code = backbone.identity()
        return RunConfig(
            settings=settings,
            data=DataConfig(
                kind=self.dataset.kind, path=str(self.dataset.source.get("path", "")), columns=source,
                samples=len(self.dataset), digest=self.digest, counts=self.counts,
            ),
            targets=self.targets,
            teachers=tuple(
                TeacherConfig(name=s.name, dim=s.dim, fingerprint=dict(s.fingerprint), path=str(s.path))
                for s in self.stores
            ),
            student=StudentConfig(
                name=self.students.name, backbone=backbone.config(), preprocessing=repr(backbone.preprocessing()),
                initial_weights=self.students.initial_digest(settings.seed),
                train_preprocessing=backbone.train_preprocessing(), module=module, code=code,
            ),
        )  # fmt: skip


def _labels_of(dataset: Dataset, targets: Targets, positions: NDArray[np.int64]) -> NDArray[Any]:
    """Encoded labels of some samples, all of which have one."""
    return targets.encode(taken(dataset.labels or [], positions), dataset.ids.take(positions))[0]
