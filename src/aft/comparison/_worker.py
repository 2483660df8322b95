"""Running the trainings of a comparison, in this process or in one of several."""

import copy
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from aft.comparison._journal import FinishedTraining
from aft.comparison._predictions import pack_predictions
from aft.comparison._study import ProblemSource
from aft.comparison._training_spec import TrainingSpec
from aft.errors import RunError
from aft.evaluation import measure
from aft.runs import RunConfig, RunLayout, RunResult, load, open_run_directory
from aft.training import Problem, TrialRequest, fit, run_training, run_trial

#: Number of problems whose encoded samples a process keeps in memory.
KEPT = 3


class Worker:
    """Runs trainings, and keeps what the trainings of a problem share.

    Args:
        sources: Problems by name, or what builds them.
        runs: Directory for the run directories of final trainings; None keeps no runs.
    """

    def __init__(self, sources: Mapping[str, ProblemSource], runs: Path | None = None) -> None:
        self._sources = sources
        self._runs = runs
        self._problems: dict[str, Problem] = {}

    def work(self, spec: TrainingSpec) -> FinishedTraining:
        """Run a training."""
        start = time.perf_counter()
        problem = self._problem(spec.problem)
        if spec.stage == "trial":
            request = TrialRequest(spec.method, spec.hparams, spec.max_early_loss, spec.pooled)
            trial = run_trial(problem, request, spec.options)
            seconds = round(time.perf_counter() - start, 3)
            return FinishedTraining(spec, seconds, replace(trial, seconds=seconds))
        logits = self._test_logits(problem, spec)
        assert logits is not None  # a comparison rejects datasets without a test split
        test = measure(problem.targets, logits, problem.test_labels)
        return FinishedTraining(
            spec, round(time.perf_counter() - start, 3), test={"error": test.error, **test.values},
            predictions=pack_predictions(problem.targets, logits),
        )  # fmt: skip

    def _problem(self, name: str) -> Problem:
        """A problem, built on its first use. The least recently used one is dropped."""
        problem = self._problems.pop(name, None)
        if problem is None:
            source = self._sources[name]
            problem = source if isinstance(source, Problem) else source()
        self._problems[name] = problem
        while len(self._problems) > KEPT:
            self._problems.pop(next(iter(self._problems)))
        return problem

    def _test_logits(self, problem: Problem, spec: TrainingSpec) -> NDArray[np.float32] | None:
        """The outputs of the trained student for the test split."""
        if self._runs is None:
            validate = not problem.trains_on_validation  # as run_training does, for what depends on it
            fitted = fit(problem, spec.hparams, spec.seed, method=spec.method, options=spec.options, validate=validate)
            return problem.test_logits(fitted.student)
        layout, hparams = _layout(self._runs, spec), spec.hparams
        config = problem.run_config(
            problem.config.replace(
                method=spec.method, options=dict(spec.options), beta=hparams.beta, weighting=hparams.weighting or "auto",
                steps=hparams.steps, lr=hparams.lr, weight_decay=hparams.weight_decay, seed=spec.seed,
            )
        )  # fmt: skip
        try:
            finished = open_run_directory(layout, config)
        except RunError:
            # The same method with hyperparameters that the search no longer chooses.
            finished = open_run_directory(layout, config, overwrite=True)
        if finished is None:
            return run_training(problem, layout, config, hparams)[1]
        code, device = copy.deepcopy(problem.students.load_argument), str(problem.device)  # weights go into the module
        student = load(
            layout.directory, student=code, preprocess=problem.students.preprocess["preprocess"], device=device
        ).student
        return problem.test_logits(student)


def _layout(runs: Path, spec: TrainingSpec) -> RunLayout:
    return RunLayout(runs / f"{spec.method}-{spec.seed}")


def holds_run(runs: Path, spec: TrainingSpec) -> bool:
    """Whether the run directory of a final training contains just that training, finished."""
    layout = _layout(runs, spec)
    try:
        settings, result = RunConfig.read(layout.config).settings, RunResult.read(layout.result)
    except RunError:
        return False
    return (result.hparams, settings.options, result.seed) == (spec.hparams, dict(spec.options), spec.seed)
