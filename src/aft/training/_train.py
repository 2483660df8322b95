"""``aft.train``."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Unpack

from torch import nn

from aft.core import Progress, broadcast_object, format_duration, rank, rank_zero_first
from aft.data import Dataset
from aft.errors import UsageError
from aft.features import FeatureStore, open_stores
from aft.objectives import check_options, objectives_of
from aft.runs import (
    HParams,
    Run,
    RunLayout,
    SearchRecord,
    TrainConfig,
    TrainSettings,
    Trial,
    open_run_directory,
    teacher_warnings,
)
from aft.training._advice import advice, validation_errors
from aft.training._estimate import time_training
from aft.training._overview import overview
from aft.training._problem import Problem
from aft.training._run_search import expected_trials, run_search
from aft.training._run_training import run_training
from aft.training._search import search
from aft.training._trial import run_trial

log = logging.getLogger("aft")


def train(
    dataset: Dataset,
    student: str | nn.Module,
    features: Sequence[FeatureStore | str | Path] | FeatureStore | str | Path = (),
    *,
    out: str | Path,
    config: TrainConfig | None = None,
    preprocess: Callable[[Any], Any] | None = None,
    train_preprocess: Callable[[Any], Any] | None = None,
    overwrite: bool = False,
    progress: bool = True,
    profile: bool = False,
    **settings: Unpack[TrainSettings],
) -> Run:
    """Train a small model on a task, guided by the features of large ones.

    An interrupted training resumes when it is called again, and a finished run with the same settings is returned as it is.
    Where a launcher such as torchrun has started several processes, all call this and train the student together; rank 0 writes
    the run.

    Args:
        dataset: The samples. Those without a label still feed the objective.
        student: The student's name (see `aft.models.load_backbone`), or a module, which is copied and never changed.
        features: The teachers' feature stores, or their directories. Every training sample must be in each of them; test samples
            need not be.
        out: The run directory.
        config: The settings of the training.
        preprocess: For a module: maps one raw input to a tensor, always to the same one.
        train_preprocess: For a module: the same for training, with random augmentation. It is called at every use of a training
            sample, and its random numbers (Python's, NumPy's and torch's) are seeded by the seed, the step and the sample.
        overwrite: Replace the run that is there, finished or not.
        progress: Show progress on the standard error stream.
        profile: Log where the time of a step goes: the median of each of its phases, over 500 steps of the final training.
        **settings: Fields of `aft.TrainConfig`, which override those of `config`.

    Returns:
        The run.

    Raises:
        UsageError: Settings that do not fit together.
        DataError: Labels or splits that cannot be used.
        UnknownIdError: A store lacks training samples.
        RunError: ``out`` contains a run with other settings; each one that differs is named.
        NonFiniteError: A loss became NaN or infinite; the ids of the batch are named.

    Example:
        >>> run = aft.train(dataset, "timm:resnet18", features=["features/dinov2"], method="aft", beta="auto", out="runs/a")
        >>> run.error
        0.061
    """
    started = time.monotonic()
    if not isinstance(config, TrainConfig | None):
        raise UsageError(
            f"config= is an aft.TrainConfig; received {type(config).__name__}; write aft.TrainConfig(...), or pass the settings "
            "themselves"
        )
    config = (config or TrainConfig()).replace(**settings)
    check_options(config.method, config.options)
    stores = open_stores(features)
    if not objectives_of(config.method):
        if stores or config.beta not in ("auto", 0):
            log.warning("method %r has no objective: features= and beta= change nothing", config.method)
        stores = []
    elif not stores:
        raise UsageError(
            f"method {config.method!r} needs the features of a teacher; received none; name a store with features=, "
            "or use method='finetune'"
        )
    problem = Problem.build(dataset, student, stores, config, preprocess=preprocess, train_preprocess=train_preprocess)
    layout = RunLayout(Path(out))
    run_config = problem.run_config()
    finished = rank_zero_first(partial(open_run_directory, layout, run_config, overwrite=overwrite))
    if finished is not None:
        log.info("%s is finished; nothing to do", layout.directory)
        return finished
    for sentence in teacher_warnings(run_config) if rank() == 0 else []:
        log.warning("%s; read it before you publish or sell the student", sentence)
    plan = _Plan(problem)
    if config.patience is not None and plan.epochs <= config.patience:
        log.warning(
            "patience=%d cannot stop a training of %.3g epochs, and keeps its validation samples out of it",
            config.patience,
            plan.epochs,
        )
    # All ranks take part in timing the steps.
    if broadcast_object(log.isEnabledFor(logging.INFO)):
        for line in overview(problem, plan.describe()):
            log.info("%s", line)
    with Progress(plan.steps, "training", "steps", quiet=not progress or rank() > 0) as bar:
        plan.bar = bar
        hparams, record = _choose(problem, layout, plan)
        bar.expect(hparams.steps)
        run, _ = run_training(
            problem, layout, run_config, hparams, search=record, started=started, progress=bar, profile=profile
        )
    if record is not None and rank() == 0:
        _advise(problem, next(trial for trial in record.trials if trial.hparams == hparams))
    return run


def _advise(problem: Problem, chosen: Trial) -> None:
    """Warn if the task needs no student, or a stronger one."""
    if chosen.error is None:
        return
    errors = validation_errors(problem.dataset, problem.splits, problem.targets, problem.stores)
    for sentence in advice(errors, chosen.error, len(problem.validation), problem.stores):
        log.warning("%s", sentence)


class _Plan:
    """The steps of search and final training that are still to come, as far as they can be known.

    Args:
        problem: What is trained.

    Attributes:
        steps: Their number.
        epochs: Epochs of the final training, as far as it is known.
        bar: Shows the progress.
    """

    def __init__(self, problem: Problem) -> None:
        self.bar: Progress | None = None
        self._problem = problem
        self._trials: list[Trial] = []
        self._count()

    def finished(self, trial: Trial) -> None:
        """Take a finished trial into account."""
        self._trials.append(trial)
        self._count()
        if self.bar is not None:
            self.bar.expect(self.steps)

    def describe(self) -> str:
        """Trials, steps and seconds."""
        trials = f"about {self._requests} trials for the search, and then " if self._requests else ""
        start, per_step = time_training(self._problem)
        seconds = (self._requests + 1) * start + self.steps * per_step
        return f"{trials}the final training; about {self.steps:,} steps, {format_duration(max(1, seconds))}"

    def _count(self) -> None:
        config, problem = self._problem.config, self._problem
        objective = bool(problem.stores) and config.beta != 0
        final, requests = problem.default_hparams(config, objective=objective), []
        if config.beta == "auto":
            requests = expected_trials([config.method], problem.search_space(config, thrifty=True), self._trials)
        if self._trials and requests:
            final = requests[-1].hparams
        self._requests = len(requests)
        self.epochs = config.epochs or problem.epochs(final.steps, objective=objective)
        self.steps = sum(request.steps for request in requests) + final.steps


def _choose(problem: Problem, layout: RunLayout, plan: _Plan) -> tuple[HParams, SearchRecord | None]:
    """Hyperparameters for the config's method: searched where ``beta="auto"``, else given or the recipe's."""
    config = problem.config
    if config.beta != "auto":
        beta = config.beta if problem.stores else 0.0
        weighting = None if config.weighting == "auto" else config.weighting
        return replace(problem.default_hparams(config, objective=beta > 0), weighting=weighting, beta=beta), None
    searching = search([config.method], problem.search_space(config, thrifty=True))
    found = run_search(searching, partial(run_trial, problem, progress=plan.bar), layout.trials, plan.finished)
    trials = tuple(trial for method in found.trials.values() for trial in method)
    chosen = found.chosen[config.method]
    if not trials:
        return chosen, None
    summary = found.summary(config.method)
    log.info("%s", summary)
    log.info("to repeat it without a search: %s", chosen.settings())
    record = SearchRecord(summary=summary, seconds=round(sum(t.seconds for t in trials), 3), trials=trials)
    return chosen, record
