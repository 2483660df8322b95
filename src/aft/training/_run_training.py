"""Train with given hyperparameters into a run directory."""

import logging
import shutil
import time

import numpy as np
from numpy.typing import NDArray

from aft.core import Progress, __version__, rank_zero_first, world_size, write_text
from aft.evaluation import measure
from aft.runs import HParams, Run, RunConfig, RunLayout, RunResult, SearchRecord, card, save_tensors
from aft.training._fit import FitResult, fit
from aft.training._problem import Problem

log = logging.getLogger("aft")


def run_training(
    problem: Problem,
    layout: RunLayout,
    config: RunConfig,
    hparams: HParams,
    *,
    search: SearchRecord | None = None,
    started: float | None = None,
    progress: Progress | None = None,
    profile: bool = False,
) -> tuple[Run, NDArray[np.float32] | None]:
    """Train on the whole training split, measure on the test split, and write the run.

    Where a launcher has started several processes, all call this; rank 0 writes.

    Args:
        problem: What is trained.
        layout: The run directory, which `open_run_directory` has created or resumed.
        config: The run's config; its settings give the method, its options and the seed.
        hparams: The hyperparameters.
        search: The search that chose them.
        started: When the work on this run started, by ``time.monotonic``; now by default.
        progress: Counts the steps.
        profile: Log where the time of a step goes.

    Returns:
        The run and, on rank 0, the student's outputs for the test split, ``(N, C)``; None without one.
    """
    started = time.monotonic() if started is None else started
    rank_zero_first(lambda: _write_inputs(problem, layout))
    settings = config.settings
    result = fit(
        problem, hparams, settings.seed, method=settings.method, options=settings.options, directory=layout.directory,
        validate=not problem.trains_on_validation, progress=progress, profile=profile,
    )  # fmt: skip
    if settings.patience is not None and result.curve:
        best = min(result.curve, key=lambda point: point.loss)
        log.info("trained for %.3g epochs, and kept the weights of epoch %.3g", result.curve[-1].epoch, best.epoch)
    logits: NDArray[np.float32] | None = None

    def finish() -> Run:
        nonlocal logits
        logits = problem.test_logits(result.student)
        return _write_outputs(problem, layout, config, hparams, search, result, logits, started)

    return rank_zero_first(finish), logits


def _write_inputs(problem: Problem, layout: RunLayout) -> None:
    layout.assets.mkdir(exist_ok=True)
    problem.template.backbone.save_assets(layout.assets)
    problem.splits.write(layout.splits, problem.dataset)


def _write_outputs(
    problem: Problem,
    layout: RunLayout,
    config: RunConfig,
    hparams: HParams,
    search: SearchRecord | None,
    fitted: FitResult,
    logits: NDArray[np.float32] | None,
    started: float,
) -> Run:
    learned = {
        f"{name}.{key}": value
        for name, objective in fitted.objectives.items()
        for key, value in objective.state_dict().items()
    }
    if learned:
        save_tensors(layout.objective, learned)
    if fitted.curve:
        lines = [f"{p.step},{p.epoch:g},{p.loss:.6f},{p.error:.6f}" for p in fitted.curve]
        write_text(layout.validation, "\n".join(["step,epoch,loss,error", *lines, ""]))
    result = RunResult(
        aft=__version__, method=config.settings.method, hparams=hparams, seed=config.settings.seed,
        batch_size=fitted.batch_size, parameters=problem.template.size(), samples=problem.counts,
        truncated=problem.samples.truncated, seconds=round(fitted.seconds, 3),
        waiting_for_data=round(fitted.waiting_for_data, 4), total_seconds=round(time.monotonic() - started, 3),
        processes=world_size(), search=search,
        test=None if logits is None else measure(problem.targets, logits, problem.test_labels),
        best_step=min(fitted.curve, key=lambda point: point.loss).step if config.settings.patience else None,
        weights_sha256=save_tensors(layout.weights, fitted.student.state_dict()),
    )  # fmt: skip
    write_text(layout.card, card(config, result))
    result.write(layout.result)
    shutil.rmtree(layout.checkpoints, ignore_errors=True)
    return Run.open(layout.directory)
