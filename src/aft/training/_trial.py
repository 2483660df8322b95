"""One trial of the hyperparameter search: train on part of the training split, measure on the validation split."""

import math
import time
from collections.abc import Mapping
from typing import Any

from aft.core import Progress, broadcast_object
from aft.errors import NonFiniteError
from aft.models import Student
from aft.runs import Trial
from aft.training._fit import EarlyCheck, fit
from aft.training._problem import Problem
from aft.training._search import SEARCH_SEED, TrialRequest


def run_trial(
    problem: Problem,
    request: TrialRequest,
    options: Mapping[str, Any] | None = None,
    *,
    progress: Progress | None = None,
) -> Trial:
    """Run a trial.

    Args:
        problem: What is trained.
        request: Method, hyperparameters, and the loss beyond which to stop early.
        options: Options of the method's objectives; those of the problem's config by default.
        progress: Counts the steps.

    Returns:
        The trial, with its validation loss.
    """
    start = time.monotonic()
    hparams = request.hparams
    early_losses: list[float] = []

    def keep_going(student: Student) -> bool:
        early_losses.append(problem.measure_validation(student)[0])
        return broadcast_object(early_losses[-1] <= request.max_early_loss)

    def ended(loss: float | None, error: float | None, early: float | None, **outcome: Any) -> Trial:
        return Trial(request.method, hparams, loss, error, early, time.monotonic() - start, **outcome)

    try:
        result = fit(
            problem, hparams, SEARCH_SEED, method=request.method, options=options, positions=problem.search_train,
            early_check=EarlyCheck(max(1, hparams.steps // 3), keep_going), validate=True, progress=progress,
        )  # fmt: skip
    except NonFiniteError:
        return ended(None, None, None, stopped=True)
    loss, error, pooled = problem.measure_search(result.student)
    if not math.isfinite(loss):
        return ended(None, None, None, stopped=True)
    early = early_losses[0] if early_losses else loss
    return ended(loss, error, early, pooled_loss=pooled, stopped=result.stopped, curve=result.curve)
