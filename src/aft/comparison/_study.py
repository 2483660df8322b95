"""The trainings of one problem: a search for all methods, then every method with every seed."""

import hashlib
import json
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from aft.comparison._journal import FinishedTraining
from aft.comparison._training_spec import TrainingSpec
from aft.data import column_bytes
from aft.features import FeatureStore
from aft.models import ModelSpec, ModuleBackbone, join_sign, parse_parts, weights_digest
from aft.runs import OPERATIONAL
from aft.training import SEARCH_SEED, Problem, SearchResult, SearchSpace, Trial, expected_trials, search

#: A problem, or what builds it: a process that needs few of many problems builds few.
ProblemSource = Problem | Callable[[], Problem]
#: Settings that say how a problem is trained, not what it is.
TRAINED_WITH = {
    "method",
    "options",
    "beta",
    "weighting",
    "steps",
    "epochs",
    "lr",
    "weight_decay",
    "seed",
    *OPERATIONAL,
}

#: Yields trainings that can run side by side, and is sent them finished, in the same order.
Plan = Generator[list[TrainingSpec], list[FinishedTraining], None]


@dataclass
class Study:
    """The trainings of one problem.

    Attributes:
        name: Name of the problem.
        source: The problem, or what builds it.
        methods: Names of methods; fine-tuning is always among them.
        seeds: How many seeds to compare, from 0 on.
        space: What the hyperparameter search may choose; by default what the problem's settings leave open.
        options: Options of objectives, by method.
        found: What the search found, once it has ended.
        finals: The final trainings by method, one for each seed.
    """

    name: str
    source: ProblemSource
    methods: Sequence[str]
    seeds: int
    space: SearchSpace | None = None
    options: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    found: SearchResult = field(default_factory=SearchResult)
    finals: dict[str, list[FinishedTraining]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.methods = ("finetune", *(method for method in self.methods if method != "finetune"))

    @cached_property
    def problem(self) -> Problem:
        """The problem, built once."""
        return self.source if isinstance(self.source, Problem) else self.source()

    @property
    def searched(self) -> SearchSpace:
        """What the search may choose."""
        return self.space or self.problem.search_space(self.problem.config)

    def digest_for(self, spec: TrainingSpec) -> str:
        """Digest of what a training depends on besides its spec: samples, splits, student, settings and teachers.

        Fine-tuning does not depend on the teachers, so studies with different teachers share its final trainings. Two cases are
        exceptions: the stores may define the views that it sees, and its trials are also judged by the teachers' predictions.
        """
        alone = spec.stage == "final" and not spec.hparams.beta and self.problem.samples.views == 1
        return self._digest_alone if alone else self._digest

    @cached_property
    def _digest(self) -> str:
        return self._digest_of(self.problem.stores)

    @cached_property
    def _digest_alone(self) -> str:
        return self._digest_of([])

    def _digest_of(self, stores: Sequence[FeatureStore]) -> str:
        problem, state = self.problem, hashlib.sha256()
        splits, dataset = problem.splits, problem.dataset
        for split in (splits.train, splits.search_train, splits.validation, splits.test):
            state.update(split.astype("<i8").tobytes() + b";")
        for column in (dataset.ids, dataset.digests, dataset.labels, dataset.splits, dataset.groups):
            for part in column_bytes(column):
                state.update(part)
        name = problem.students.name
        backbone = problem.template.backbone
        if name.startswith("module:") and isinstance(backbone, ModuleBackbone):
            student: Any = [weights_digest(problem.template), *backbone.identity()]
        else:
            student = _without_folders(name)
        teachers = [(store.name, store.fingerprint) for store in stores]
        settings = problem.config.model_dump(mode="json", exclude_defaults=True, exclude=TRAINED_WITH)
        if len(problem.unlabelled_validation):
            state.update(problem.unlabelled_validation.astype("<i8").tobytes())
        # Where the settings give none, the student's recipe does, and no name says which.
        batches = [problem.batch_size(objective=objective) for objective in (False, True)]
        described = {"student": student, "teachers": teachers, "settings": settings, "batches": batches}
        state.update(json.dumps(described, sort_keys=True, default=str).encode())
        return state.hexdigest()[:24]

    def size(self) -> int:
        """How many trainings the study needs, if none diverges."""
        return len(expected_trials(self.methods, self.searched)) + len(self.methods) * self.seeds

    def plan(self) -> Plan:
        """Yield the trainings that can run next, until none is left."""
        self.found = yield from self._search()
        specs = {
            (method, seed): TrainingSpec(
                self.name, method, self.found.chosen[method], seed, "final", dict(self.options.get(method, {}))
            )
            for method in self.methods
            for seed in range(self.seeds)
        }
        finished = yield list(specs.values())
        for (method, _), training in zip(specs, finished, strict=True):
            self.finals.setdefault(method, []).append(training)

    def _search(self) -> Generator[list[TrainingSpec], list[FinishedTraining], SearchResult]:
        searching = search(self.methods, self.searched)
        trials: list[Trial] | None = None
        while True:
            try:
                requests = next(searching) if trials is None else searching.send(trials)
            except StopIteration as end:
                result: SearchResult = end.value
                return result
            finished = yield [
                TrainingSpec(
                    self.name, request.method, request.hparams, SEARCH_SEED, "trial",
                    dict(self.options.get(request.method, {})), request.max_early_loss, request.pooled,
                )
                for request in requests
            ]  # fmt: skip
            trials = [training.trial for training in finished if training.trial is not None]


def _without_folders(name: str) -> str:
    """A model's name without the folder that it lies in on this machine."""
    return join_sign(name).join(map(_part_without_folders, parse_parts(name)))


def _part_without_folders(spec: ModelSpec) -> str:
    options = {
        key: Path(str(value)).name if Path(str(value)).is_dir() else value for key, value in spec.options.items()
    }
    return str(ModelSpec(spec.kind, Path(spec.name).name if Path(spec.name).exists() else spec.name, options))
