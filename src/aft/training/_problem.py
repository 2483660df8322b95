"""A dataset, a student and teachers, ready to be trained in any way that a config asks for."""

import copy
import functools
import hashlib
import logging
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

import aft
from aft.data import Dataset, Targets
from aft.errors import NonFiniteError, UsageError
from aft.evaluation import calibrated_loss, measure
from aft.features import FeatureStore
from aft.models import Student, choose_device, forward_all, load_backbone, weights_digest
from aft.objectives import Objective, Weighting, objective_class, make_objective, objectives_of
from aft.core import broadcast_object, rank_zero_first, rank, world_size
from aft.core import Progress
from aft.runs._card import write_card
from aft.runs._train_config import TrainConfig
from aft.training._encoded import TrainingData
from aft.training._fit import FitResult, FitSettings, fit, fresh_student
from aft.training._loss import TaskLoss, class_weights
from aft.data._splits import Splits, make_splits
from aft.runs._run import FORMAT, Run, RunLayout, load_student, save_student, save_tensors, write_json
from aft.training._search import Selection, Trial, select

log = logging.getLogger("aft")


class Training:
    """A dataset, a student and teachers, ready to be trained in any way that a config asks for.

    Args:
        dataset: The samples.
        student: Name or module.
        stores: The teachers' features.
        config: What is asked.
        preprocess: For a module.
        progress: Show progress.
    """

    def __init__(
        self,
        dataset: Dataset,
        student: str | nn.Module,
        stores: Sequence[FeatureStore],
        config: TrainConfig,
        *,
        preprocess: Callable[[Any], Any] | None = None,
        progress: bool = True,
    ) -> None:
        self.config = config
        self.progress = progress
        if objectives_of(config.method) and not stores:
            raise UsageError(
                f"method {config.method!r} needs teachers' features; received none; name a store with --features, or use --method finetune"
            )
        self._given = list(stores)
        self.stores = self._given if objectives_of(config.method) else []
        self.device = choose_device(config.device)
        self.dataset = dataset.verified()
        self.parts: Splits = make_splits(
            self.dataset,
            validation_fraction=config.validation_fraction,
            test_fraction=config.test_fraction,
            seed=config.split_seed,
            unlabelled=config.unlabelled,
            leakage=config.leakage,
        )
        labels = self.dataset.labels or []
        task = config.task
        if task == "auto" and self.dataset.source.get("labels") == "folders":
            task = "classification"  # folders named 000 to 101 are classes, not numbers
        self.targets = Targets.infer([labels[i] for i in self.parts.train.tolist()], task)
        # What a run's student is made of where the run itself cannot tell.
        self.code = student if isinstance(student, nn.Module) or student.startswith("python:") else None
        self._preprocess = preprocess
        self._make = functools.partial(self._make_student, student, preprocess)
        self.student = self._make(config.seed)
        self._initial = copy.deepcopy(self.student.state_dict())
        self._digest = weights_digest(self.student)
        self._starts = {config.seed: (self._initial, self._digest)}
        self._fitted: dict[str, dict[str, Any]] = {}
        used = np.unique(np.concatenate([self.parts.train, self.parts.validation]))
        place = {position: index for index, position in enumerate(used.tolist())}
        self._train, self._inner, self._validation = (
            np.array([place[i] for i in part.tolist()], dtype=np.int64)
            for part in (self.parts.train, self.parts.inner, self.parts.validation)
        )
        self.data = TrainingData(
            self.dataset.subset(used), self.student.backbone, self.targets, self.stores, self._train
        )
        self._encoded_test: list[Any] = []
        self.test_labels = self.targets.encode(
            [labels[i] for i in self.parts.test.tolist()], [self.dataset.ids[i] for i in self.parts.test.tolist()]
        )[0]
        if self.data.truncated:
            log.warning(
                "%d of %d texts are longer than the student's %s and are cut",
                self.data.truncated,
                len(self.data),
                self.student.backbone.limit(),
            )
        recipe = self.student.backbone.recipe
        labelled = int(self.data.labelled[self._train].sum())
        self.batch_size = config.batch_size or recipe.batch_for(labelled)
        bare = len(self._train) - labelled
        # Where there are unlabelled samples too, half of a batch is theirs.
        seen = self.batch_size if not bare else max(1, round(self.batch_size * max(0.5, labelled / len(self._train))))
        self.usual_steps = config.steps or recipe.steps_for(labelled, seen)
        self.counts = {
            "labelled": labelled,
            "unlabelled": bare,
            "validation": len(self._validation),
            "test": len(self.parts.test),
        }

    def variant(self, **settings: Any) -> "Training":
        """The same samples and student under other settings of how to train; nothing is read or encoded again.

        Variants share the student's module, so that only one of them can be used at a time.

        Args:
            **settings: Of ``method``, ``options``, ``beta``, ``strength``, ``steps``, ``lr``, ``weight_decay``, ``seed``.

        Returns:
            Another training, whose stores are this one's where its method uses any.
        """
        other = copy.copy(self)
        other.config = TrainConfig.of(**{**self.config.model_dump(), **settings})
        other.stores = self._given if objectives_of(other.config.method) else []
        other.data = self.data.reading(other.stores)
        other.usual_steps = other.config.steps or self.usual_steps
        seed = other.config.seed
        if seed not in self._starts:
            made = self._make(seed)
            self._starts[seed] = (made.state_dict(), weights_digest(made))
        other._initial, other._digest = self._starts[seed]
        return other

    def _make_student(self, student: str | nn.Module, preprocess: Callable[[Any], Any] | None, seed: int) -> Student:
        config = self.config
        inputs = self.dataset.inputs
        given = copy.deepcopy(student) if isinstance(student, nn.Module) else student

        def texts() -> list[str]:
            chosen = [inputs[i] for i in self.parts.train.tolist()]
            return [text for item in chosen for text in ((item,) if isinstance(item, str) else item)]

        def make() -> Student:
            backbone = load_backbone(
                given, role="student", texts=texts, example=inputs[0], preprocess=preprocess, layer=config.layer,
                pooling=config.pooling, weights=config.weights, prompt=config.prompt,
            )  # fmt: skip
            if self.dataset.kind not in backbone.accepts:
                raise UsageError(
                    f"a student takes the dataset's kind of input; {backbone.spec} takes {' or '.join(backbone.accepts)}, and the dataset holds "
                    f"{self.dataset.kind} inputs; choose another student or column"
                )
            return Student(backbone, self.targets.outputs)

        made: Student = fresh_student(make, seed)
        return made.to(self.device)

    def description(self) -> dict[str, Any]:
        """What identifies the run: settings, data, teachers, student."""
        return {
            "format": FORMAT,
            "settings": self.config.model_dump(mode="json"),
            "data": {
                **self.dataset.source,
                "samples": len(self.dataset),
                "digest": _digest(self.dataset),
                **self.counts,
            },
            "targets": {**asdict(self.targets), "classes": list(self.targets.classes)},
            "teachers": [
                {"name": s.name, "dim": s.dim, "fingerprint": s.fingerprint, "path": str(s.path)} for s in self.stores
            ],
            "backbone": self.student.backbone.config(),
            "student": {"initial_weights": self._digest, "preprocessing": repr(self.student.backbone.preprocessing())},
        }

    def run(self, layout: RunLayout) -> Run:
        """Choose what is to be chosen, train, measure, and write the run, in a folder that is claimed.

        Where a launcher has started several processes, all call this; the first one alone writes.
        """
        config, start = self.config, time.monotonic()
        rank_zero_first(lambda: self._write_inputs(layout))
        selection: Selection | None = None
        if config.beta == "auto":
            log.info("choosing on %d validation samples, by the lowest loss:", len(self._validation))
            forms: tuple[Literal["raw", "balanced"], ...] = (
                ("raw", "balanced") if config.strength == "auto" else (config.strength,)
            )
            selection = select(
                self.trial,
                forms=forms,
                usual_steps=self.usual_steps,
                steps=config.steps,
                with_objective=bool(self.stores),
                journal=layout.journal,
            )
            log.info("%s", selection)
            form, beta, steps = selection.form, selection.beta, selection.steps
        else:
            form = "raw" if config.strength == "auto" else config.strength
            beta, steps = config.beta if self.stores else 0.0, self.usual_steps
        terms, result = self.fit(form, beta, steps, self._train, folder=layout.folder)
        chosen = _Chosen(form, beta, steps, selection)
        return rank_zero_first(lambda: self._write_outcome(layout, chosen, terms, result, time.monotonic() - start))

    def _write_inputs(self, layout: RunLayout) -> None:
        layout.assets.mkdir(exist_ok=True)
        self.student.backbone.save_assets(layout.assets)
        self.parts.write(layout.splits, self.dataset)

    def _write_outcome(
        self,
        layout: RunLayout,
        chosen: "_Chosen",
        terms: list[tuple[Objective, Weighting]],
        result: FitResult,
        seconds: float,
    ) -> Run:
        config, selection = self.config, chosen.selection
        logits = self.test_logits()
        test = None if logits is None else measure(self.targets, logits, self.test_labels)
        content = {
            "format": FORMAT, "aft": aft.__version__, "method": config.method, "strength": chosen.form, "beta": chosen.beta, "steps": chosen.steps,
            "batch_size": self.batch_size, "lr": self.lr, "weight_decay": self.weight_decay, "seed": config.seed,
            "parameters": self.student.size(), "seconds": round(result.seconds, 3), "waiting_for_data": round(result.waiting, 4),
            "total_seconds": round(seconds, 3), "processes": world_size(), "samples": self.counts, "truncated": self.data.truncated,
            "selection": None if selection is None else {
                "seconds": round(selection.seconds, 3), "chosen": str(selection), "trials": [_finite(asdict(t)) for t in selection.trials],
            },
            "test": None if test is None else asdict(test),
            "weights_sha256": save_student(layout, self.student),
        }  # fmt: skip
        learned = {
            f"{name}.{key}": value
            for name, (objective, _) in zip(objectives_of(config.method), terms, strict=False)
            for key, value in objective.state_dict().items()
        }
        if learned:
            save_tensors(layout.objective, learned)
        write_card(layout.card, self.description(), content, test)
        write_json(layout.result, content)
        shutil.rmtree(layout.folder / "checkpoints", ignore_errors=True)
        return Run.open(layout.folder)

    def restore(self, layout: RunLayout) -> None:
        """Give the student the weights of a finished run of this training."""
        self.student.load_state_dict(load_student(layout.folder, self.code, self._preprocess)[0].state_dict())

    @property
    def members(self) -> NDArray[np.int64]:
        """Positions of the samples to train on in the end, among those that training uses."""
        return self._train

    @property
    def lr(self) -> float:
        """The student's learning rate."""
        return self.config.lr or self.student.backbone.recipe.lr

    @property
    def weight_decay(self) -> float:
        """The student's weight decay."""
        given = self.config.weight_decay
        return self.student.backbone.recipe.weight_decay if given is None else given

    def trial(self, form: str, beta: float, steps: int, limit: float | None) -> Trial:
        """Train on a part of the training data, measure on the validation part; see `select`."""
        start = time.monotonic()
        encoded = self.data.encoded(self._validation.tolist())
        labels = self.data.labels[self._validation]
        early: list[float] = []

        def watch(step: int) -> bool:
            if step > third:
                return True
            early.append(calibrated_loss(self.targets, forward_all(self.student, encoded).logits, labels))
            return broadcast_object(limit is None or early[-1] <= limit)

        third = max(1, steps // 3)
        try:
            watcher = None if limit is None else (watch, third)
            _, result = self.fit("raw" if form == "none" else form, beta, steps, self._inner, watcher=watcher)
        except NonFiniteError:
            return Trial(
                form, beta, steps, float("inf"), float("inf"), float("inf"), time.monotonic() - start, pruned=True
            )
        logits = forward_all(self.student, encoded).logits
        loss, error = calibrated_loss(self.targets, logits, labels), measure(self.targets, logits, labels).error
        seconds = time.monotonic() - start
        return Trial(
            form, beta, steps, loss, error, early[0] if early else loss, seconds, pruned=result.stopped is not None
        )

    def fit(
        self,
        form: str,
        beta: float,
        steps: int,
        members: NDArray[np.int64],
        *,
        folder: Path | None = None,
        watcher: tuple[Callable[[int], bool], int] | None = None,
    ) -> tuple[list[tuple[Objective, Weighting]], FitResult]:
        """Train from the initial weights on some of the samples; returns the objectives with their strengths, and what it took."""
        config = self.config
        self.student.load_state_dict(self._initial)
        terms: list[tuple[Objective, Weighting]] = []
        if self.stores and beta > 0:
            for method in objectives_of(config.method):
                objective = self._objective(method, members).to(self.device)
                terms.append((objective, Weighting(form, beta).to(self.device)))  # type: ignore[arg-type]
        else:
            # An objective of strength 0 asks for nothing of the unlabelled samples.
            members = members[self.data.labelled[members]]
        labels = self.data.labels[members[self.data.labelled[members]]]
        loss = TaskLoss(self.targets, class_weights(config.class_weights, self.targets, labels), config.label_smoothing)
        settings = FitSettings(
            steps=steps, batch_size=self._batch(members), lr=self.lr, weight_decay=self.weight_decay, warmup=config.warmup,
            gate_lr=config.gate_lr, seed=config.seed, precision=config.precision, workers=config.workers,
        )  # fmt: skip
        with Progress(steps, "training", "steps", quiet=not self.progress or folder is None or rank() > 0) as bar:
            result = fit(
                self.student, terms, self.data, members, loss.to(self.device), settings,
                device=self.device, folder=folder, tick=bar, watcher=watcher, scope=config.objective_batch,
            )  # fmt: skip
        return terms, result

    def _batch(self, members: NDArray[np.int64]) -> int:
        # The same number of labelled samples a step with the unlabelled ones and without.
        bare = len(self._train) - self.counts["labelled"]
        if not bare or not self.data.labelled[members].all():
            return self.batch_size
        return max(1, round(self.batch_size * max(0.5, self.counts["labelled"] / len(self._train))))

    def _objective(self, method: str, members: NDArray[np.int64]) -> Objective:
        """An objective with fresh parameters, prepared on the labelled ones of the samples to train on."""
        options: dict[str, Any] = dict(self.config.options)
        if len(objectives_of(self.config.method)) > 1:
            options = dict(options.get(method, {}))
        if objective_class(method).needs_task:
            options = {"task": self.targets.kind, "outputs": self.targets.outputs, **options}
        dims = {store.name: store.dim for store in self.stores}
        objective: Objective = fresh_student(
            lambda: make_objective(method, dims, self.student.dim, options), self.config.seed + 1
        )
        if not objective.needs_preparation:
            return objective
        known = members[self.data.labelled[members]] if objective.needs_targets else members
        # What is fitted to the teachers serves every seed; what is fitted to the student does not.
        key = f"{method} {options!r} {hashlib.sha256(known.tobytes()).hexdigest()}"
        state = self._fitted.get(key)
        if state is not None:
            objective.adopt_fitted(state)
        if state is None or objective.needs_student_features:
            mine = None
            if objective.needs_student_features:  # the student still has its first weights
                mine = torch.from_numpy(forward_all(self.student, self.data.encoded(known.tolist())).features)
            objective.prepare(self.data.features(known), mine, torch.from_numpy(self.data.labels[known]))
        if state is None:
            self._fitted[key] = objective.fitted_state()
        return objective

    def _encode(self, positions: NDArray[np.int64]) -> list[Any]:
        return self.student.backbone.encode([self.dataset.inputs[i] for i in positions.tolist()])

    def test_logits(self) -> NDArray[np.float32] | None:
        """Outputs ``(N, C)`` of the student, as it is now, for the test part; None without one."""
        if not len(self.parts.test):
            return None
        if not self._encoded_test:
            self._encoded_test.extend(self._encode(self.parts.test))
        return forward_all(self.student, self._encoded_test).logits


@dataclass(frozen=True)
class _Chosen:
    """What a run is trained with in the end."""

    form: str
    beta: float
    steps: int
    selection: Selection | None


def _finite(values: dict[str, Any]) -> dict[str, Any]:
    """JSON has no infinity: what a diverged trial scored is null."""
    return {key: None if value == float("inf") else value for key, value in values.items()}


def _digest(dataset: Dataset) -> str:
    """Of ids, inputs, labels and splits: a run belongs to its data."""
    state = hashlib.sha256()
    for column in (dataset.ids, dataset.digests, dataset.labels, dataset.splits):
        state.update(repr(column).encode("utf-8", "surrogatepass"))
    return state.hexdigest()
